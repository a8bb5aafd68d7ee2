package sockstat

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"time"

	"zocalo/socket"
)

// procFiles are the files of /proc/net that list a kind; MPTCP and vsock have none.
var procFiles = [kernelKinds][]string{
	TCP:    {"tcp", "tcp6"},
	UDP:    {"udp", "udp6"},
	Raw:    {"raw", "raw6"},
	Packet: {"packet"},
	Unix:   {"unix"},
}

// openProcNet opens a file of /proc/net in the lister's namespace. It stays in that
// namespace whoever reads it.
func (l *lister) openProcNet(name string) (f *os.File, err error) {
	err = inNetns(l.ns, func() error {
		f, err = os.Open("/proc/thread-self/net/" + name)
		return err
	})
	return f, err
}

// errLine is the error for a line of /proc/net that is not understood.
var errLine = errors.New("a line of /proc/net is malformed")

// readProcNet lists the sockets of one file.
func (l *lister) readProcNet(ctx context.Context, r io.Reader, k Kind) error {
	lines := bufio.NewReaderSize(r, 64<<10) // far longer than a line
	for n := 0; ; n++ {
		line, err := lines.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("list %s sockets: %w", k, err)
		}
		if n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if n == 0 {
			continue // the heading
		}
		if err := l.parser.procLine(line, k, &l.socket); err != nil {
			// A unix name may hold a line break, which parts its line in two.
			if k == Unix {
				continue
			}
			return fmt.Errorf("list %s sockets: %w: %s", k, err, Quote(string(line)))
		}
		// A connection in a unix listener's queue has no inode yet; sock_diag leaves it out.
		if k == Unix && l.socket.Inode == 0 {
			continue
		}
		if err := l.finish(); err != nil {
			return err
		}
	}
}

// procLine reads one line of a file of /proc/net (proc_net(5)).
func (p *parser) procLine(line []byte, k Kind, s *Socket) error {
	s.reset()
	s.Kind = k
	line = bytes.TrimSuffix(line, []byte("\n"))
	var fields [13][]byte
	splitFields(line, fields[:])
	var ok bool
	switch k {
	case Unix:
		ok = p.procUnix(&fields, line, s)
	case Packet:
		ok = procPacket(&fields, s)
	default:
		ok = procInet(&fields, s)
	}
	if !ok {
		return errLine
	}
	return nil
}

// splitFields parts a line at its spaces. Fields that are not there stay empty.
func splitFields(line []byte, fields [][]byte) {
	for i := range fields {
		line = bytes.TrimLeft(line, " ")
		end := bytes.IndexByte(line, ' ')
		if end < 0 {
			end = len(line)
		}
		fields[i], line = line[:end], line[end:]
	}
}

// procInet reads "sl local peer state sendq:recvq timer:when retrans uid timeout inode ...".
func procInet(f *[13][]byte, s *Socket) bool {
	s.Type = [...]socket.Type{TCP: socket.Stream, UDP: socket.Datagram, Raw: socket.Raw}[s.Kind]
	var ok [7]bool
	s.Local.Addr, ok[0] = procAddr(f[1])
	s.Peer.Addr, ok[1] = procAddr(f[2])
	if s.Kind == Raw {
		s.Protocol = s.Local.Addr.Port()
		s.Local.Addr = netip.AddrPortFrom(s.Local.Addr.Addr(), 0)
		s.Peer.Addr = netip.AddrPortFrom(s.Peer.Addr.Addr(), 0)
	}
	state, stateOK := parseHex(f[3])
	s.State = State(state)
	ok[2] = stateOK && state < uint64(stateCount)
	s.SendQ, s.RecvQ, ok[3] = hexPair(f[4])
	timer, when, timerOK := hexPair(f[5])
	s.Timer, s.Expires = Timer(timer), time.Duration(when)*tick
	ok[4] = timerOK && timer < 256
	retransmits, retransmitsOK := parseHex(f[6])
	s.TimerRetransmits = uint8(retransmits)
	s.UID, s.HasUID = parseUint(f[7])
	s.Inode, ok[5] = parseUint(f[9])
	ok[6] = retransmitsOK && s.HasUID
	return ok == [7]bool{true, true, true, true, true, true, true}
}

// tick is the unit of times in /proc/net: USER_HZ.
const tick = time.Second / 100

// procPacket reads "sk refs type protocol interface running memory user inode".
func procPacket(f *[13][]byte, s *Socket) bool {
	s.State = Unconnected
	kind, ok1 := parseUint(f[2])
	protocol, ok2 := parseHex(f[3])
	index, ok3 := parseUint(f[4])
	memory, ok4 := parseUint(f[6])
	uid, ok5 := parseUint(f[7])
	inode, ok6 := parseUint(f[8])
	s.Type, s.Protocol, s.ifindex = packetType(byte(kind)), uint16(protocol), index
	s.RecvQ, s.UID, s.HasUID, s.Inode = memory, uid, true, inode
	return ok1 && ok2 && ok3 && ok4 && ok5 && ok6
}

// procUnix reads "num: refs protocol flags type state inode [name]". In the name
// every NUL of an abstract one is an @.
func (p *parser) procUnix(f *[13][]byte, line []byte, s *Socket) bool {
	flags, ok1 := parseHex(f[3])
	kind, ok2 := parseHex(f[4])
	state, ok3 := parseHex(f[5])
	inode, ok4 := parseUint(f[6])
	if !(ok1 && ok2 && ok3 && ok4) {
		return false
	}
	const accepts = 0x10000 // __SO_ACCEPTCON
	s.Type, s.Inode = socket.Type(kind), inode
	switch {
	case flags&accepts != 0:
		s.State = Listen
	case state == 3: // SS_CONNECTED
		s.State = Established
	default:
		s.State = Unconnected
	}
	// The name is what follows the inode and one space; it may hold spaces itself.
	_, name, found := bytes.Cut(line, append(append([]byte(" "), f[6]...), ' '))
	if !found || len(name) == 0 {
		return true
	}
	if name[0] == '@' {
		s.Local.Abstract = true
		name = name[1:]
	}
	s.Local.Path = p.names.get(name)
	return true
}

// procAddr reads an address and port: words of 32 bits in the machine's byte
// order, in hexadecimal, and the port.
func procAddr(text []byte) (netip.AddrPort, bool) {
	address, portText, found := bytes.Cut(text, []byte(":"))
	port, ok := parseHex(portText)
	if !found || !ok || port > 0xffff || len(address) != 8 && len(address) != 32 {
		return netip.AddrPort{}, false
	}
	var b [16]byte
	n, err := hex.Decode(b[:], address)
	if err != nil {
		return netip.AddrPort{}, false
	}
	for word := b[:n]; len(word) > 0; word = word[4:] {
		binary.NativeEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	a, _ := netip.AddrFromSlice(b[:n])
	return netip.AddrPortFrom(a, uint16(port)), true
}

func hexPair(text []byte) (a, b uint32, ok bool) {
	left, right, found := bytes.Cut(text, []byte(":"))
	va, ok1 := parseHex(left)
	vb, ok2 := parseHex(right)
	return uint32(va), uint32(vb), found && ok1 && ok2 && va < 1<<32 && vb < 1<<32
}

func parseHex(text []byte) (uint64, bool) {
	if len(text) > 16 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(text), 16, 64)
	return v, err == nil
}

// procProtocols lists the protocols that the kernel has, from /proc/net/protocols.
func procProtocols(r io.Reader) []string {
	var names []string
	for lines := bufio.NewScanner(r); lines.Scan(); {
		name, _, _ := bytes.Cut(lines.Bytes(), []byte(" "))
		names = append(names, string(name))
	}
	return names
}
