package metrics

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"zocalo/internal/sys"
)

// ticks are a second in /proc/PID/stat: the USER_HZ of every Linux that Go runs on.
const ticks = 100

// processUsage reads proc(5).
func processUsage() usage {
	u := usage{-1, -1, -1, -1, -1, time.Time{}}
	if dir, err := os.Open("/proc/self/fd"); err == nil {
		if names, err := dir.Readdirnames(-1); err == nil {
			u.openFiles = int64(len(names)) - 1 // but for dir itself
		}
		dir.Close()
	}
	if limit, errno := sys.MaxFiles(); errno == 0 {
		u.maxFiles = int64(min(limit, 1<<53))
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return u
	}
	// The name of the program, in brackets, may have anything in it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 22 {
		return u
	}
	number := func(field int) int64 { // as proc(5) counts them
		n, _ := strconv.ParseInt(string(fields[field-3]), 10, 64)
		return n
	}
	u.cpu = time.Duration(number(14)+number(15)) * time.Second / ticks
	u.virtual = number(23)
	u.resident = number(24) * int64(os.Getpagesize())
	if booted := bootTime(); booted > 0 {
		u.began = time.Unix(booted, 0).Add(time.Duration(number(22)) * time.Second / ticks)
	}
	return u
}

// bootTime is when this machine began, in seconds since 1970, 0 where that is not known.
func bootTime() int64 {
	b, _ := os.ReadFile("/proc/stat")
	_, after, found := bytes.Cut(b, []byte("\nbtime "))
	if !found {
		return 0
	}
	line, _, _ := bytes.Cut(after, []byte("\n"))
	n, _ := strconv.ParseInt(string(line), 10, 64)
	return n
}
