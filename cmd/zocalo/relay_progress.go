package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"zocalo/address"
	"zocalo/internal/units"
	"zocalo/relay/outcome"
)

// A progress is a line on standard error that says how much of a file has
// passed. A nil one is none.
type progress struct {
	r    *relayRun
	from outcome.Side // where the file is
	size int64

	once sync.Once
	over chan struct{}
	done chan struct{}
}

const progressPause = 200 * time.Millisecond

// newProgress begins the line where one of two ends is a file of known size,
// and standard error a terminal.
func (r *relayRun) newProgress() *progress {
	if r.quiet || r.json || r.asked.Dump || r.asked.DumpHex || r.many() || columns(r.err) == 0 {
		return nil
	}
	p := &progress{r: r, over: make(chan struct{}), done: make(chan struct{})}
	if p.size = r.sizeOf(r.From); p.size == 0 {
		p.from, p.size = outcome.B, r.sizeOf(r.To[0])
	}
	if p.size == 0 {
		return nil
	}
	go p.run()
	return p
}

// sizeOf returns how many bytes are to be read of an address; 0 where it is no
// file, or none that is known to be read.
func (r *relayRun) sizeOf(a address.Address) int64 {
	var info os.FileInfo
	var err error
	at := int64(0)
	switch in, isFile := r.in.(*os.File); {
	case a.Scheme.File:
		info, err = os.Stat(a.Endpoint)
	case isFile && takesStandard(a, 0):
		if info, err = in.Stat(); err == nil {
			at, _ = in.Seek(0, io.SeekCurrent)
		}
	default:
		return 0
	}
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return max(0, info.Size()-at)
}

func (p *progress) run() {
	defer close(p.done)
	began := time.Now()
	ticker := time.NewTicker(progressPause)
	defer ticker.Stop()
	shown := false
	for {
		select {
		case <-p.over:
			if shown {
				p.write("\r\x1b[K")
			}
			return
		case <-ticker.C:
			shown = true
			p.write("\r" + progressText(p.r.Totals().From[p.from].Bytes, p.size, time.Since(began)) + "\x1b[K")
		}
	}
}

func (p *progress) write(text string) {
	p.r.showLive(text)
}

// end takes the line away.
func (p *progress) end() {
	if p == nil {
		return
	}
	p.once.Do(func() { close(p.over) })
	<-p.done
}

// progressText says how much has passed, how fast, and how long the rest takes.
func progressText(passed, size int64, took time.Duration) string {
	rate := float64(passed) / took.Seconds()
	text := fmt.Sprintf("%s of %s, %d%%, %s", units.Size(passed), units.Size(size), passed*100/size, units.Rate(8*rate))
	if passed > 0 && passed < size {
		left := time.Duration(float64(size-passed) / rate * float64(time.Second))
		text += ", " + units.Set(left.Round(time.Second)) + " left"
	}
	return text
}
