package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"zocalo/internal/control"
	"zocalo/internal/say"
	"zocalo/internal/sys"
	"zocalo/socket"
)

// The bounds of a message.
const (
	mostPassing = 64 << 10
	mostSockets = 64
)

// Upgrades is where other processes may take services over.
type Upgrades struct {
	l    *net.UnixListener
	path string
	made os.FileInfo
}

// ListenUpgrades makes a unix socket of that path, mode 0600, for [Upgrades.Serve], in place of a file that
// is there. Nobody else should be able to write to its folder.
func ListenUpgrades(path string) (*Upgrades, error) {
	os.Remove(path)
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // by then it may be the successor's
	made, err := os.Lstat(path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return &Upgrades{l, path, made}, nil
}

// Close removes the socket.
func (u *Upgrades) Close() error {
	if now, err := os.Lstat(u.path); err == nil && os.SameFile(u.made, now) {
		os.Remove(u.path)
	}
	return u.l.Close()
}

// Serve waits, for as long as ctx lasts, for a process of this user, or of root, that takes all listeners of
// a set over ([TakeOver]). Once that serves, the set accepts nothing any more, done is told of the
// process, and the set's Run returns when what is open has ended, or its context ends it. Notes are for the other process
// to read. If it never gets so far, all goes on as before.
func (u *Upgrades) Serve(ctx context.Context, s *Set, notes map[string]string, done func(pid int)) error {
	defer u.Close()
	defer context.AfterFunc(ctx, func() { u.l.Close() })()
	for {
		c, err := u.l.AcceptUnix()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		pid, err := s.upgrade(ctx, c, notes, done)
		c.Close()
		if err == nil {
			return nil
		}
		complain(s.log, "the services were not handed over, and go on", err, "pid", pid)
	}
}

// upgrade hands all over to one process.
func (s *Set) upgrade(ctx context.Context, c *net.UnixConn, notes map[string]string, done func(pid int)) (pid int, err error) {
	uid, pid, err := control.Peer(c)
	if err != nil {
		return pid, err
	}
	if uid != os.Geteuid() && uid != 0 {
		return pid, fmt.Errorf("a process of the user %d asked for them, and this is of %d", uid, os.Geteuid())
	}
	all, err := s.handing()
	if err != nil {
		send(c, passing{Version: upgradeVersion, PID: os.Getpid(), Notes: map[string]string{"error": say.Error(err)}})
		return pid, err
	}
	defer closePassings(all)
	stopClosing := context.AfterFunc(ctx, func() { c.Close() })
	defer stopClosing()
	err = send(c, passing{Version: upgradeVersion, PID: os.Getpid(), Notes: notes})
	for _, p := range all {
		if err == nil {
			err = send(c, p)
		}
	}
	if err == nil {
		err = send(c, passing{End: true})
	}
	if err == nil {
		var answer passing
		c.SetReadDeadline(time.Now().Add(upgradePatience))
		if answer, err = receive(c); err == nil && !answer.Ready {
			err = errors.New("it did not say that it is ready")
		}
	}
	if err != nil {
		s.keep()
		return pid, fmt.Errorf("the process that asked for them has gone, or does not answer: %w", err)
	}
	stopClosing() // Run may return now, and end ctx with it, before the other process is told
	s.handOver()
	done(pid)
	send(c, passing{Over: true}) // or it has gone since, and others come after it
	return pid, nil
}

// send sends a message with the sockets that go with it.
func send(c *net.UnixConn, p passing) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	var fds []int
	defer func() {
		for _, fd := range fds {
			sys.Close(fd)
		}
	}()
	for _, s := range p.sockets {
		raw, err := s.SyscallConn()
		if err != nil {
			return err
		}
		fd, errno := -1, syscall.Errno(0)
		if err := raw.Control(func(n uintptr) { fd, errno = sys.Dup(int(n)) }); err != nil {
			return err
		}
		if errno != 0 {
			return sys.Error("dup", errno)
		}
		fds = append(fds, fd)
	}
	var rights []byte
	if len(fds) > 0 {
		rights = syscall.UnixRights(fds...)
	}
	c.SetWriteDeadline(time.Now().Add(upgradePatience))
	_, _, err = c.WriteMsgUnix(text, rights, nil)
	return err
}

// receive is the other side of send.
func receive(c *net.UnixConn) (p passing, err error) {
	text, rights := make([]byte, mostPassing), make([]byte, syscall.CmsgSpace(mostSockets*4))
	n, m, _, _, err := c.ReadMsgUnix(text, rights)
	if err != nil {
		return p, err
	}
	if n == 0 {
		return p, net.ErrClosed
	}
	messages, err := syscall.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return p, err
	}
	for i := range messages {
		fds, err := syscall.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			s, err := socket.FromFD(fd)
			if err != nil {
				sys.Close(fd)
				closePassings([]passing{p})
				return p, err
			}
			p.sockets = append(p.sockets, s)
		}
	}
	if err := json.Unmarshal(text[:n], &p); err != nil {
		closePassings([]passing{p})
		return p, err
	}
	return p, nil
}

// TakeOver asks the process that serves upgrades at a path for its listeners. They are for
// [Options] Taken; when the new Set serves, [Handed.Done] ends the old one. The other process must be of
// this user, or of root.
func TakeOver(ctx context.Context, path string) (*Handed, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unixpacket", path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNobody
	}
	if err != nil {
		return nil, err
	}
	c := conn.(*net.UnixConn)
	h := &Handed{sockets: map[string][]*socket.Socket{}, from: c}
	if err := h.receive(c); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Handed) receive(c *net.UnixConn) error {
	uid, _, err := control.Peer(c)
	if err != nil {
		return err
	}
	if uid != os.Geteuid() && uid != 0 {
		return fmt.Errorf("what answers there is of the user %d, and this is of %d", uid, os.Geteuid())
	}
	c.SetReadDeadline(time.Now().Add(upgradePatience))
	first, err := receive(c)
	switch {
	case err != nil:
		return err
	case first.Version != upgradeVersion:
		return fmt.Errorf("the process %d hands over in the version %d, and this takes %d: restart it", first.PID, first.Version, upgradeVersion)
	case first.Notes["error"] != "":
		return errors.New(first.Notes["error"])
	}
	h.PID, h.Notes = first.PID, first.Notes
	for {
		p, err := receive(c)
		if err != nil || p.End {
			return err
		}
		h.sockets[p.Key] = append(h.sockets[p.Key], p.sockets...)
	}
}

// Done tells the process before that this one serves, and returns once that accepts
// nothing any more.
func (h *Handed) Done() error {
	c := h.from.(*net.UnixConn)
	defer c.Close()
	if err := send(c, passing{PID: os.Getpid(), Ready: true}); err != nil {
		return err
	}
	c.SetReadDeadline(time.Now().Add(upgradePatience))
	p, err := receive(c)
	if err == nil && !p.Over {
		err = errors.New("it did not say that it has stopped")
	}
	return err
}
