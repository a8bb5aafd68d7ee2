// Package systemd tells the service manager how this process is doing, as sd_notify(3)
// and sd_watchdog_enabled(3) say: when it is ready, reads its configuration again, hands over
// to another process, or ends. Without a manager it does nothing.
package systemd

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// A Manager is what started this process; nil is none.
type Manager struct {
	path     string
	watchdog time.Duration
}

// patience is for a manager that does not read.
const patience = time.Second

// Find returns the manager that the environment names, and takes it out of that, so that
// programs which this process starts do not speak for it. It is nil where there is none.
func Find() *Manager {
	defer func() {
		for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
			os.Unsetenv(name)
		}
	}()
	m := &Manager{path: os.Getenv("NOTIFY_SOCKET")}
	if m.path == "" || m.path[0] != '/' && m.path[0] != '@' {
		return nil
	}
	pid := os.Getenv("WATCHDOG_PID")
	if us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64); err == nil && us > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		m.watchdog = time.Duration(us) * time.Microsecond
	}
	return m
}

// tell sends assignments, a line each.
func (m *Manager) tell(lines ...string) error {
	if m == nil {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell the service manager (NOTIFY_SOCKET): %w", err)
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("tell the service manager (NOTIFY_SOCKET): %w", err)
	}
	return nil
}

// Ready says that the process serves, or does so again after Reloading, and in a few words how
// it is.
func (m *Manager) Ready(status string) error {
	return m.tell("READY=1", "MAINPID="+strconv.Itoa(os.Getpid()), "STATUS="+oneLine(status))
}

// Reloading says that the configuration is read again. Ready follows, whatever came of
// it.
func (m *Manager) Reloading() error {
	return m.tell("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(monotonic(), 10))
}

// Stopping says that the process ends.
func (m *Manager) Stopping() error { return m.tell("STOPPING=1") }

// HandedOver says which process does the work from now on.
func (m *Manager) HandedOver(pid int) error { return m.tell("MAINPID=" + strconv.Itoa(pid)) }

// Watch tells a manager that watches this process that it is alive, until ctx ends.
func (m *Manager) Watch(ctx context.Context) {
	if m == nil || m.watchdog == 0 {
		return
	}
	ticker := time.NewTicker(m.watchdog / 3)
	defer ticker.Stop()
	for {
		m.tell("WATCHDOG=1") // a manager that does not hear of it does what it must
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// What a process tells its successor, so that it can speak to the same manager.
const (
	noteSocket   = "notify-socket"
	noteWatchdog = "watchdog"
)

// Notes are for [From] in the process that takes over.
func (m *Manager) Notes() map[string]string {
	if m == nil {
		return nil
	}
	return map[string]string{noteSocket: m.path, noteWatchdog: m.watchdog.String()}
}

// From is the manager of the process that told these notes, nil where it had none.
func From(notes map[string]string) *Manager {
	if notes[noteSocket] == "" {
		return nil
	}
	m := &Manager{path: notes[noteSocket]}
	m.watchdog, _ = time.ParseDuration(notes[noteWatchdog])
	return m
}
