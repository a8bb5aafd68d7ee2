package sockstat

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A diag asks sock_diag(7). Its answers are read into one buffer that is used
// again and again: a dump may be larger than what a listing ought to hold.
type diag struct {
	conn *netlink.Conn
	raw  syscall.RawConn
	buf  []byte
	stop func() bool // ends the watch over the context

	// one read, without a closure for each
	read func(fd uintptr) bool
	n    int
	err  error
}

// dumpBuffer is the largest piece in which the kernel answers a dump
// (netlink_recvmsg).
const dumpBuffer = 32 << 10

// dialDiag opens a netlink socket in the namespace ns, or the calling thread's where ns is nil. A
// context that ends interrupts a read.
func dialDiag(ctx context.Context, ns *os.File) (*diag, error) {
	var config netlink.Config
	if ns != nil {
		config.NetNS = int(ns.Fd())
	}
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, &config)
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		err = connectKernel(raw)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	d := &diag{conn: conn, raw: raw, buf: make([]byte, dumpBuffer)}
	d.read = func(fd uintptr) bool {
		d.n, d.err = unix.Read(int(fd), d.buf)
		return d.err != unix.EAGAIN && d.err != unix.EINTR
	}
	d.stop = context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	return d, nil
}

// connectKernel makes the socket take messages from the kernel alone.
func connectKernel(raw syscall.RawConn) error {
	var err error
	if cerr := raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("connect", unix.Connect(int(fd), &unix.SockaddrNetlink{Family: unix.AF_NETLINK}))
	}); cerr != nil {
		return cerr
	}
	return err
}

func (d *diag) close() {
	if d == nil {
		return
	}
	d.stop()
	d.conn.Close()
}

// errStop ends a dump early because the caller has seen enough.
var errStop = errors.New("stop")

// dump sends one request and hands the body of each answer to each, which
// must not keep it. It reports whether the kernel's table changed meanwhile. After an
// error the diag cannot be used for another dump, unless it is an errno: then the kernel has ended the answer.
func (d *diag) dump(ctx context.Context, request []byte, each func(body []byte) error) (interrupted bool, err error) {
	kind := netlink.HeaderType(unix.SOCK_DIAG_BY_FAMILY)
	if request[0] == unix.AF_UNSPEC {
		kind = tcpDiag
	}
	sent, err := d.conn.Send(netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Dump},
		Data:   request,
	})
	if err != nil {
		return false, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		err := d.raw.Read(d.read)
		if err == nil {
			err = d.err
		}
		switch {
		case err != nil && ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil:
			return false, fmt.Errorf("read the answer of sock_diag: %w", err)
		}
		done, again, err := parseAnswer(d.buf[:d.n], sent.Header.Sequence, each)
		interrupted = interrupted || again
		if done || err != nil {
			return interrupted, err
		}
	}
}

// errCut is the error for an answer that ends in the middle of something.
var errCut = errors.New("an answer of sock_diag is cut short or malformed")

// parseAnswer walks over the messages of one datagram and hands on the bodies of
// those that answer the request with this sequence number. done says that the
// answer is complete; interrupted that the kernel's table changed while it was made. An error that the kernel sent is its errno.
func parseAnswer(b []byte, sequence uint32, each func(body []byte) error) (done, interrupted bool, err error) {
	const header = 16
	for len(b) > 0 {
		if len(b) < header {
			return false, interrupted, errCut
		}
		size := int(binary.NativeEndian.Uint32(b))
		if size < header || size > len(b) {
			return false, interrupted, errCut
		}
		kind, flags := binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:])
		body := b[header:size]
		if binary.NativeEndian.Uint32(b[8:]) == sequence {
			interrupted = interrupted || flags&unix.NLM_F_DUMP_INTR != 0
			switch kind {
			case unix.NLMSG_DONE, unix.NLMSG_ERROR:
				return true, interrupted, parseErrno(kind, body)
			case unix.SOCK_DIAG_BY_FAMILY, tcpDiag:
				if err := each(body); err != nil {
					return false, interrupted, err
				}
			}
		}
		b = b[min(align4(size), len(b)):]
	}
	return false, interrupted, nil
}

// parseErrno reads the errno in a message that ends an answer. The end of a dump may leave it out.
func parseErrno(kind uint16, body []byte) error {
	if len(body) < 4 {
		if kind == unix.NLMSG_DONE {
			return nil
		}
		return errCut
	}
	if n := int32(binary.NativeEndian.Uint32(body)); n < 0 {
		return syscall.Errno(-n)
	}
	return nil
}

func align4(n int) int { return (n + 3) &^ 3 }

// An attribute is one netlink attribute of an answer.
type attribute struct {
	kind  uint16
	value []byte
}

// attributes hands on the attributes in b, up to one that is malformed.
func attributes(b []byte, each func(attribute)) error {
	for len(b) > 0 {
		if len(b) < 4 {
			return errCut
		}
		size := int(binary.NativeEndian.Uint16(b))
		if size < 4 || size > len(b) {
			return errCut
		}
		each(attribute{binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER), b[4:size]})
		b = b[min(align4(size), len(b)):]
	}
	return nil
}

func (a attribute) u8() uint8 {
	if len(a.value) < 1 {
		return 0
	}
	return a.value[0]
}

func (a attribute) u32() uint32 { return reader(a.value).u32(0) }

func (a attribute) u64() uint64 {
	if len(a.value) < 8 {
		return 0
	}
	return binary.NativeEndian.Uint64(a.value)
}
