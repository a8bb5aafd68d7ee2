package zocalo

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"zocalo/socket"
)

// An advice says what to do about an error.
type advice struct {
	err  error
	text string
}

const notListening = "nothing is listening there: start the server, or check the address"

var dialAdvice = []advice{
	{syscall.ECONNREFUSED, notListening},
	{syscall.ENOENT, "there is no such socket: start the server, or check the path"},
	{syscall.ETIMEDOUT, "no answer came: check the address, and whether a firewall is in the way"},
	{syscall.EHOSTUNREACH, "check the address and the network"},
	{syscall.ENETUNREACH, "check the address and the network"},
	{syscall.EPROTOTYPE, "the socket that listens there is of another type: try unix, unix-seqpacket or unix-dgram"},
	{syscall.EADDRINUSE, "another socket has that name: choose another, or omit bind="},
	{syscall.EADDRNOTAVAIL, "no local address is available for it: check bind=, or wait until old connections have left TIME_WAIT"},
	{syscall.EACCES, "this user may not connect to it: a broadcast address needs the option broadcast; otherwise see the firewall"},
}

var listenAdvice = []advice{
	{syscall.EADDRINUSE, "the name is in use: choose another, or stop the program that has it"},
	{syscall.EADDRNOTAVAIL, "no interface of this machine has the address"},
	{syscall.EACCES, "this user may not take that name: choose another"},
}

// anyAdvice is for what goes wrong whatever was tried.
var anyAdvice = []advice{
	{syscall.EMFILE, "this process has too many open descriptors: raise the limit (ulimit -n)"},
	{syscall.ENFILE, "this machine has too many open descriptors: raise fs.file-max"},
	{syscall.EAFNOSUPPORT, "this system does not have the domain"},
	{syscall.EPROTONOSUPPORT, "this system does not have the protocol"},
	{syscall.EPERM, "it needs a privilege that this process does not have"},
}

// advised returns err with what to do about it, as what it was about, the list or
// anyAdvice tells, unless err says so already or there is nothing to say.
func advised(err error, list []advice) error {
	var already *socket.HintError
	if err == nil || errors.As(err, &already) {
		return err
	}
	if text := particular(err); text != "" {
		return &socket.HintError{Err: err, Hint: text}
	}
	for _, l := range [][]advice{list, anyAdvice} {
		for _, a := range l {
			if errors.Is(err, a.err) {
				return &socket.HintError{Err: err, Hint: a.text}
			}
		}
	}
	return err
}

// particular is the advice on what could not be reached where its name tells more
// than the error, "" where it does not.
func particular(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) || op.Addr == nil {
		return ""
	}
	name := op.Addr.String()
	switch {
	case strings.HasPrefix(op.Net, "unix") && op.Op == "connect" && name != "" && name[0] != '@':
		return ofPath(name, err)
	case strings.HasPrefix(op.Net, "vsock") && op.Op == "connect" && errors.Is(err, syscall.ECONNRESET):
		return notListening
	case strings.HasPrefix(op.Net, "vsock") && errors.Is(err, syscall.ENODEV):
		return "no virtual machine has that number, or this machine has no vsock device: check the number, and load vhost_vsock"
	}
	at, parsed := netip.ParseAddrPort(name)
	if a := at.Addr(); parsed == nil && errors.Is(err, syscall.EINVAL) && a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" {
		return fmt.Sprintf("a link-local address needs its interface: write [%v%%INTERFACE]:%d", a, at.Port())
	}
	return ""
}

// ofPath is the advice on a unix socket that could not be connected to.
func ofPath(path string, err error) string {
	info, unseen := os.Stat(path)
	switch {
	case errors.Is(err, syscall.ENOENT) && strings.HasPrefix(path, "~"):
		return "no shell expands ~ there: write the path in full, or $HOME"
	case errors.Is(err, syscall.ENOENT) && !filepath.IsAbs(path):
		if whole, err := filepath.Abs(path); err == nil {
			return fmt.Sprintf("there is no socket %s: start the server, or check the path", whole)
		}
	case errors.Is(err, syscall.ECONNREFUSED) && unseen == nil && info.Mode().Type() != fs.ModeSocket:
		return "that is not a socket: check the path"
	case errors.Is(err, syscall.EACCES):
		return "connecting takes write permission for the socket and search permission for its folders: ask its owner, or become a member of its group"
	}
	return ""
}
