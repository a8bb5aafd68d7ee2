package address

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"zocalo/socket"
	"zocalo/socket/scheme"
)

// A spelling is how a word of socat's for a scheme is written here.
type spelling struct {
	scheme  string // with its side
	prefix  string // of the endpoint
	options []string
}

// spellings are socat's words for schemes that are here a scheme with something
// more. Those of IPv4 and IPv6 have a digit after "udp".
var spellings = map[string]spelling{
	"abstract":         {scheme: "unix", prefix: "@"},
	"abstract-client":  {scheme: "unix-connect", prefix: "@"},
	"abstract-connect": {scheme: "unix-connect", prefix: "@"},
	"abstract-listen":  {scheme: "unix-listen", prefix: "@"},
	"abstract-recv":    {scheme: "unix-dgram-listen", prefix: "@"},
	"abstract-sendto":  {scheme: "unix-dgram-connect", prefix: "@"},
	"unix-client":      {scheme: "unix-connect"},
	"unix-recv":        {scheme: "unix-dgram-listen"},
	"unix-sendto":      {scheme: "unix-dgram-connect"},
	"udp-recv":         {scheme: "udp-listen"},
	"udp-send":         {scheme: "udp-connect"},
	"udp-sendto":       {scheme: "udp-connect"},
	"udp-datagram":     {scheme: "udp-connect"},
	"openssl":          {scheme: "tls-connect"},
	"openssl-connect":  {scheme: "tls-connect"},
	"openssl-listen":   {scheme: "tls-listen"},
	"openssl-l":        {scheme: "tls-listen"},
	"ssl-l":            {scheme: "tls-listen"},
	"creat":            {scheme: "file", options: []string{"create", "trunc", "wronly"}},
	"create":           {scheme: "file", options: []string{"create", "trunc", "wronly"}},
	"gopen":            {scheme: "file", options: []string{"create", "append"}},
	"stdin":            {scheme: "fd", prefix: "0"},
	"stdout":           {scheme: "fd", prefix: "1"},
	"stderr":           {scheme: "fd", prefix: "2"},
}

// noScheme says of socat's other words for schemes what is here in their place.
var noScheme = map[string]string{
	"ip":            ipElsewhere,
	"ip-sendto":     ipElsewhere,
	"ip-datagram":   ipElsewhere,
	"ip-recv":       ipElsewhere,
	"ip-recvfrom":   ipElsewhere,
	"proxy":         proxyElsewhere,
	"proxy-connect": proxyElsewhere,
	"socketpair":    "a socket pair with both ends in this process is of no use: exec:COMMAND is a program on a socket pair",
	"http":          "zocalo opens sockets and does not speak HTTP: write tcp:HOST:80, with --crlf for what you type",
	"https":         "zocalo opens sockets and does not speak HTTP: write tls:HOST:443, with --crlf for what you type",
	"tun":           "there are no tunnel devices here",
	"readline":      "write -: the terminal edits lines",
	"sctp":          "there is no SCTP here: unix-seqpacket and iso keep message boundaries over a connection",
	"dccp":          "there is no DCCP here",
	"udplite":       "there is no UDP-Lite here: write udp:HOST:PORT",
}

const (
	ipElsewhere = "packets of an IP protocol are raw:HOST,protocol=PROTOCOL here, or raw6:"
	// proxyElsewhere names both that may be meant: socat's word is for the first.
	proxyElsewhere = "write connect:PROXY:PORT,to=HOST:PORT, by HTTP's CONNECT, or pp+tcp:HOST:PORT, with the PROXY protocol"
)

// noOption says of socat's options what is here in their place, where they are not
// another spelling of one of ours.
var noOption = map[string]string{
	"children-shutup":   "-q says less",
	"tcpwrap":           "lists of peers are flags here: --allow and --deny",
	"forever":           "it is a flag here: --retry forever of relay, or --repeat of talk",
	"crlf":              "it is a flag here: --crlf",
	"crnl":              "it is a flag here: --crlf",
	"lowport":           "name the port: bind=:PORT, below 1024",
	"null-eof":          "an empty datagram is a message here, not the end: --idle ends a conversation of datagrams",
	"shut-null":         "an empty datagram is a message here, not the end: no-shutdown keeps the sending side open",
	"shut-down":         "that is so anyway: no-shutdown is the opposite",
	"shut-close":        "the end of what is sent is a half-close here: no-shutdown keeps the sending side open",
	"pf":                "the scheme says it: tcp4:, tcp6:, udp4:, udp6:",
	"protocol-family":   "the scheme says it: tcp4:, tcp6:, udp4:, udp6:",
	"so-type":           "the scheme says it: unix:, unix-dgram:, unix-seqpacket:",
	"socktype":          "the scheme says it: unix:, unix-dgram:, unix-seqpacket:",
	"setsockopt":        noNumbers,
	"setsockopt-listen": noNumbers,
	"setsockopt-int":    noNumbers,
	"ioctl-void":        "there is no ioctl by number here: stty(1) sets terminals",
	"ip-options":        "IP options are not supported: routers drop packets that have them",
	"ip-recvopts":       "IP options are not supported: routers drop packets that have them",
	"readbytes":         "it reads to the end: write shell:'head -c N FILE' for a part",
	"ignoreeof":         "write shell:'tail -f FILE'",
	"setlk":             "there is no file locking: start zocalo with flock(1)",
	"ftruncate":         "write trunc, or use truncate(1) before",
	"noatime":           "there is no such flag",
	"o-noatime":         "there is no such flag",
	"umask":             "it is for files that are made here; a program has it by shell:'umask MASK && COMMAND'",
	"chdir":             "change to the folder first: write shell:'cd FOLDER && COMMAND'",
	"cd":                "change to the folder first: write shell:'cd FOLDER && COMMAND'",
	"nofork":            "write 'zocalo serve ADDRESS -- COMMAND': the program has the connection itself",
	"sigint":            "a program gets SIGTERM when its pair has ended",
	"sighup":            "a program gets SIGTERM when its pair has ended",
	"sigquit":           "a program gets SIGTERM when its pair has ended",
	"fdin":              "the program has descriptors 0 and 1: write shell:'COMMAND N<&0'",
	"fdout":             "the program has descriptors 0 and 1: write shell:'COMMAND N>&1'",
	"f-setpipe-sz":      "the size of pipes is the system's",
	"bind-tempname":     "write bind=PATH; for unix-dgram: the system chooses a name anyway",
	"unlink-early":      "remove it first with rm(1)",
	"link":              "write pty:PATH",
	"pty-interval":      noWait,
	"pty-wait-slave":    noWait,
	"wait-slave":        noWait,
	"echo":              "such a terminal echoes unless it is raw: write raw, or raw=0",
	"cs5":               noLine, "cs6": noLine, "cs7": noLine, "cs8": noLine, "parenb": noLine, "parodd": noLine, "cstopb": noLine,
	"ixon": noFlow, "ixoff": noFlow,
	"icanon": noTerminal,
	"isig":   noTerminal,
	"opost":  noTerminal,
	"method": "write min=VERSION",
	"cipher": "the suites are those of Go's TLS: they cannot be chosen",
}

const (
	noNumbers  = "options have names here, not numbers: 'zocalo explain' with the address lists them"
	noWait     = "this side of a pty is always open: programs come and go"
	noTerminal = "raw and echo set terminals here, and speed, line and flow a serial line: the rest is for stty(1)"
	noLine     = "write line=8N1: data bits, parity (N, E or O) and stop bits"
	noFlow     = "write flow=xonxoff"
)

// implied are socat's options that say what is so here anyway.
var implied = map[string]func(s *scheme.Scheme, value string) bool{
	"nonblock":      always,
	"o-nonblock":    always,
	"end-close":     always,                                                                   // both ends are, when the pair has ended
	"shut-null":     func(s *scheme.Scheme, _ string) bool { return s.Type == socket.Stream }, // nothing on a stream
	"bind-tempname": func(s *scheme.Scheme, _ string) bool { return s.Name == "unix-dgram" },  // the system chooses one
	"opost":         cooked,
	"cool-write":    always, // a peer that has gone is no failure of the other side
	"ai-addrconfig": always,
	"openpty":       onPty,
	"ptmx":          onPty,
	"ispeed":        onPty, // which has none
	"ospeed":        onPty,
	"sane":          func(s *scheme.Scheme, _ string) bool { return s.Program },
	"ctty":          func(s *scheme.Scheme, _ string) bool { return s.Program }, // of its terminal it is always
	"clocal":        func(s *scheme.Scheme, _ string) bool { return s.File },
	"cread":         func(s *scheme.Scheme, _ string) bool { return s.File },
	"echo": func(s *scheme.Scheme, value string) bool {
		return s.Name == "pty" && value == "0" || s.Name != "pty" && cooked(s, value)
	},
	"reuseaddr":       func(s *scheme.Scheme, _ string) bool { return isUnix(s) }, // of no effect there
	"so-reuseaddr":    func(s *scheme.Scheme, _ string) bool { return isUnix(s) },
	"children-shutup": always,
}

// cooked reports whether a terminal there does by itself what the option switches on.
func cooked(s *scheme.Scheme, value string) bool {
	return value != "0" && (s.Program || s.File || s.Name == "stdio")
}

func always(*scheme.Scheme, string) bool    { return true }
func onPty(s *scheme.Scheme, _ string) bool { return s.Name == "pty" }
func isUnix(s *scheme.Scheme) bool          { return slices.Contains(s.Domains, socket.Unix) }

// respell returns the fields of an address as they are written here, where they
// are written as socat has them.
func respell(fields []string) []string {
	if last := len(fields) - 1; last > 0 && fields[last] == "" {
		fields = fields[:last] // a comma at the end
	}
	word, endpoint, colon := strings.Cut(fields[0], ":")
	fields = ofVersion(fields, word)
	if strings.EqualFold(word, "pty") && endpoint == "" {
		fields[0] = "pty:" // which needs no path
		for i, field := range fields[1:] {
			if path, ok := strings.CutPrefix(field, "link="); ok {
				return slices.Delete(append([]string{"pty:" + path}, fields[1:]...), i+1, i+2)
			}
		}
	}
	s, digit, known := spelled(word)
	if !known || s.prefix == "" && !colon || digit && !strings.HasPrefix(s.scheme, "udp") {
		return fields
	}
	scheme := s.scheme
	if digit {
		scheme = word[:len("udp4")] + strings.TrimPrefix(scheme, "udp")
	}
	head := scheme + ":" + s.prefix + endpoint
	return slices.Concat([]string{head}, s.options, fields[1:])
}

// ofVersion returns the fields with pf=ip4 or pf=ip6 in the scheme, as tcp4-listen.
func ofVersion(fields []string, word string) []string {
	base, side, sided := strings.Cut(strings.ToLower(word), "-")
	if base != "tcp" && base != "udp" {
		return fields
	}
	for i, field := range fields[1:] {
		version, ok := strings.CutPrefix(strings.ToLower(field), "pf=ip")
		if !ok || version != "4" && version != "6" {
			continue
		}
		base += version
		if sided {
			base += "-" + side
		}
		return slices.Delete(append([]string{base + fields[0][len(word):]}, fields[1:]...), i+1, i+2)
	}
	return fields
}

// spelled finds a word of socat's, with and without the digit of an IP version;
// what a word with -recvfrom does here, its -recv does.
func spelled(word string) (s spelling, digit, known bool) {
	word = strings.ToLower(word)
	if base, ok := strings.CutSuffix(word, "-recvfrom"); ok {
		word = base + "-recv"
	}
	if s, known = spellings[word]; known {
		return s, false, true
	}
	s, known = spellings[withoutDigit(word)]
	return s, true, known
}

// withoutDigit takes the IP version off a word: udp of udp4-recv is udp-recv.
func withoutDigit(word string) string {
	base, side, _ := strings.Cut(word, "-")
	base = strings.TrimRight(base, "46")
	if side == "" {
		return base
	}
	return base + "-" + side
}

// instead says what is here in place of socat's word for a scheme, "" for
// another word.
func instead(word string) string {
	base, _, _ := strings.Cut(withoutDigit(word), "-")
	for _, w := range []string{word, withoutDigit(word), base} {
		if text := noScheme[w]; text != "" {
			return text
		}
	}
	return ""
}

// respelled returns an option of socat's as it is written here; dropped says that
// it is so anyway.
func respelled(s *scheme.Scheme, name, value string) (ours string, dropped bool) {
	if is := implied[name]; is != nil && is(s, value) {
		return "", true
	}
	if speed, ok := strings.CutPrefix(name, "b"); ok && value == "" && strings.Trim(speed, "0123456789") == "" && speed != "" {
		return "speed=" + speed, onPty(s, "")
	}
	switch name {
	case "echo", "opost":
		if onPty(s, "") && value != "0" {
			return "raw=0", false // which has both
		}
	case "ispeed", "ospeed":
		return "speed=" + strings.Trim(value, "bB"), false
	case "crtscts":
		if value == "0" {
			return "flow=none", false
		}
		return "flow=rtscts", false
	case "sp", "sourceport":
		return "bind=:" + value, false
	case "umask":
		if mask, err := strconv.ParseUint(value, 8, 16); err == nil && (s.File || s.Name == "pipe") {
			return fmt.Sprintf("mode=%04o", 0o666&^os.FileMode(mask)), false
		}
	}
	return "", false
}

// twoSides is the error of socat's dual type, which reads from one address and
// writes to another; nil for any other text.
func twoSides(text string) error {
	from, to, dual := strings.Cut(text, "!!")
	if !dual {
		return nil
	}
	word, _, _ := strings.Cut(to, ":")
	word, _, _ = strings.Cut(word, ",")
	if _, known, _ := lookup(word); !known {
		if _, _, known = spelled(word); !known {
			return nil
		}
	}
	return &SyntaxError{text, fmt.Sprintf("it is two addresses: write 'zocalo relay %s TO' and 'zocalo relay FROM %s', one for each direction", printable(from), printable(to))}
}
