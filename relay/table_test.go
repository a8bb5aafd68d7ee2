package relay_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zocalo/relay"
	"zocalo/socket"
)

// table reads the table of docs/relay.md: what carries over from a row to a
// column, in letters.
func table(t *testing.T) map[[2]string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/relay.md")
	try(t, err)
	cells := map[[2]string]string{}
	var columns []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			columns = nil
		case fields[0] == "FROM, TO":
			columns = fields
		case columns != nil && !strings.HasPrefix(fields[0], "-"):
			for i, cell := range fields[1:] {
				cells[[2]string{fields[0], columns[1+i]}] = cell
			}
		}
	}
	return cells
}

// Every cell of the table is driven, and holds what it says, and no more.
func TestTable(t *testing.T) {
	cells := table(t)
	for _, a := range kinds {
		for _, b := range kinds {
			cell, known := cells[[2]string{a.name, b.name}]
			if !known {
				t.Errorf("docs/relay.md has no cell for %s to %s", a.name, b.name)
				continue
			}
			t.Run(a.name+" to "+b.name, func(t *testing.T) {
				t.Parallel()
				for _, k := range []kind{a, b} {
					if k.lacking != nil {
						k.lacking(t)
					}
				}
				c := driven{t, a, b, cell}
				c.passes()
				c.resets()
				c.urgent()
				c.files()
			})
		}
	}
}

// A driven is a cell that is driven.
type driven struct {
	*testing.T
	a, b kind
	cell string
}

func (d driven) has(letter string) bool { return strings.Contains(d.cell, letter) }

// start runs a relay for the cell.
func (d driven) start(change func(*relay.Relay)) (r *running, x, y peering) {
	from, x := d.a.from(d.T)
	to, y := d.b.to(d.T)
	if d.has("f") {
		if d.a.bytes {
			from += ",frame=lines"
		}
		if d.b.bytes {
			to += ",frame=lines"
		}
	}
	return relays(d, change, from, to), x, y
}

// text is a message as a side of the kind writes and reads it.
func (d driven) text(k kind, message string) string {
	if k.bytes {
		return message + "\n"
	}
	return message
}

// wants fails unless the side reads the messages.
func (d driven) wants(k kind, s *socket.Socket, messages ...string) {
	d.Helper()
	for _, m := range messages {
		switch {
		case k.name == "file":
			await(d, "the file has "+m, func() bool {
				b := make([]byte, len(m)+1)
				n, err := io.ReadFull(s, b)
				return n > 0 && err == nil && string(b) == m+"\n"
			})
		case k.bytes:
			wants(d, s, m+"\n")
		default:
			wantsMessage(d, s, m)
		}
	}
}

// join has both sides joined, with one message passed from x to y.
func (d driven) join(change func(*relay.Relay)) (r *running, x, y *socket.Socket) {
	d.Helper()
	r, getX, getY := d.start(change)
	x = getX(r.address)
	if x != nil {
		writes(d, x, d.text(d.a, "one"))
	}
	y = getY(r.address)
	if !y.Properties().Connected {
		// Who the relay is, its first message tells.
		m := socket.Message{}
		m.SetData(make([]byte, 100))
		try(d, y.SetReadDeadline(time.Now().Add(patience)))
		try(d, y.Receive(&m))
		if got := string(m.Buffers[0][:m.N]); got != "one" {
			d.Fatalf("received %q", got)
		}
		try(d, y.Connect(d.Context(), m.Peer))
		return r, x, y
	}
	d.wants(d.b, y, "one")
	return r, x, y
}

// passes drives messages or bytes both ways, and the end of one.
func (d driven) passes() {
	d.Helper()
	r, x, y := d.join(nil)
	if x != nil {
		writes(d, x, d.text(d.a, "two"))
	}
	d.wants(d.b, y, "two")
	twoWay := !d.a.oneWay && !d.b.oneWay
	if twoWay {
		writes(d, y, d.text(d.b, "back"))
		d.wants(d.a, x, "back")
	}
	switch {
	case d.has("h"):
		if x != nil {
			d.finish(x)
		}
		wantsEOF(d, y)
	case d.a.noFinish || x == nil || !x.Properties().Connected:
		return
	case errors.Is(x.Shutdown(socket.ShutdownWrite), errors.ErrUnsupported):
		return
	}
	if !twoWay {
		return
	}
	writes(d, y, d.text(d.b, "late"))
	d.wants(d.a, x, "late")
	if !y.Properties().Connected || d.b.noFinish {
		return
	}
	try(d, y.Close())
	if p := r.ended(); !d.has("h") && p.Result.From[0].EndOfFileTold {
		d.Errorf("the end was passed on, and the table says nothing of it: %+v", p)
	}
}

// finish ends what a side sends.
func (d driven) finish(x *socket.Socket) {
	if d.a.oneWay {
		try(d, x.Close())
		return
	}
	try(d, x.Shutdown(socket.ShutdownWrite))
}

// resets drives a reset of one that is connected.
func (d driven) resets() {
	if d.a.oneWay || d.b.oneWay || d.a.noFinish || d.b.noFinish {
		return
	}
	_, x, y := d.join(nil)
	if !x.Properties().Connected || !y.Properties().Connected || !d.has("r") && !d.has("h") {
		return
	}
	try(d, x.Abort())
	_, err := y.Read(make([]byte, 1))
	if d.has("r") != errors.Is(err, syscall.ECONNRESET) {
		d.Errorf("after a reset reading is %v", err)
	}
}

// urgent drives urgent data.
func (d driven) urgent() {
	if d.a.oneWay || d.b.oneWay {
		return
	}
	_, x, y := d.join(nil)
	if x.Properties().Urgent == 0 {
		if d.has("u") {
			d.Errorf("%s has no urgent data", d.a.name)
		}
		return
	}
	switch {
	case d.has("u"):
		_, err := x.SendUrgent([]byte("!"))
		try(d, err)
		var b [1]byte
		if n, err := y.ReceiveUrgent(d.Context(), b[:]); n != 1 || err != nil || b[0] != '!' {
			d.Errorf("ReceiveUrgent = %d, %v: %q", n, err, b)
		}
	case d.a.bytes && d.b.bytes && !d.has("f"):
		if y.Properties().Urgent > 0 {
			d.Errorf("both have urgent data, and the table says nothing of it")
		}
		_, err := x.SendUrgent([]byte("!"))
		try(d, err)
		wants(d, y, "!")
	}
}

// files drives a descriptor.
func (d driven) files() {
	if d.a.oneWay || d.b.oneWay {
		return
	}
	pass := func(b *relay.Relay) { b.PassFiles = true }
	if d.has("d") {
		_, x, y := d.join(pass)
		sendsFile(d.T, x, d.text(d.a, "three"))
		wantsFile(d.T, y, d.text(d.b, "three"))
		return
	}
	r, getX, _ := d.start(pass)
	select {
	case <-r.done:
	case at := <-r.listening:
		x := getX(func() string { return at })
		io.WriteString(x, d.text(d.a, "one"))
		if p := r.ended(); !mentions(p.Err, "descriptors") {
			d.Errorf("to pass descriptors ends as %+v", p)
		}
		return
	case <-time.After(patience):
		d.Fatal("the relay does nothing")
	}
	if !mentions(r.err, "descriptors") {
		d.Errorf("to pass descriptors is %v", r.err)
	}
}

// sendsFile sends text with a descriptor of the null device.
func sendsFile(t *testing.T, s *socket.Socket, text string) {
	t.Helper()
	f, err := os.Open(os.DevNull)
	try(t, err)
	defer f.Close()
	m := socket.Message{Ancillary: socket.Ancillary{Present: socket.HasFiles, Files: []int{int(f.Fd())}}}
	m.SetData([]byte(text))
	_, err = s.Send(&m)
	try(t, err)
}

// wantsFile fails unless text comes with a descriptor.
func wantsFile(t *testing.T, s *socket.Socket, text string) {
	t.Helper()
	m := socket.Message{Ancillary: socket.Ancillary{WantFiles: 4}}
	m.SetData(make([]byte, 100))
	try(t, s.Receive(&m))
	if got := string(m.Buffers[0][:m.N]); got != text || len(m.Ancillary.Files) != 1 {
		t.Errorf("received %q with %d descriptors", got, len(m.Ancillary.Files))
	}
	m.Ancillary.CloseFiles()
}

// stdioKind is the relay's own standard input and output, which only a child
// has.
const stdioKind = "stdio"

// The cells of stdio, by a relay in a child.
func TestTableOfStdio(t *testing.T) {
	cells := table(t)
	if cell := cells[[2]string{stdioKind, stdioKind}]; cell != "x" {
		t.Errorf("stdio to itself is %q in the table, and is refused", cell)
	}
	for _, k := range kinds {
		for _, from := range []bool{true, false} {
			pair := [2]string{stdioKind, k.name}
			if !from {
				slices.Reverse(pair[:])
			}
			cell, known := cells[pair]
			if !known {
				t.Errorf("docs/relay.md has no cell for %s to %s", pair[0], pair[1])
				continue
			}
			t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
				t.Parallel()
				if k.lacking != nil {
					k.lacking(t)
				}
				if from {
					fromStdio(t, k, cell)
				} else {
					toStdio(t, k, cell)
				}
			})
		}
	}
}

// A stdio is a relay in a child whose standard input and output the test has.
type stdio struct {
	in  io.WriteCloser
	out io.ReadCloser
	at  func() string
}

func startStdio(t *testing.T, from, to string) *stdio {
	t.Helper()
	c := exec.Command(os.Args[0], stdioWord, from, to)
	for i, text := range []string{from, to} {
		if fd, is := strings.CutPrefix(text, "fd:"); is {
			fd, options, _ := strings.Cut(fd, ",")
			n, err := strconv.Atoi(fd)
			try(t, err)
			c.ExtraFiles = []*os.File{os.NewFile(uintptr(n), "inherited")}
			c.Args[2+i] = "fd:3"
			if options != "" {
				c.Args[2+i] += "," + options
			}
		}
	}
	s := &stdio{}
	var err error
	s.in, err = c.StdinPipe()
	try(t, err)
	s.out, err = c.StdoutPipe()
	try(t, err)
	said, err := c.StderrPipe()
	try(t, err)
	try(t, c.Start())
	for _, f := range c.ExtraFiles {
		f.Close()
	}
	t.Cleanup(func() {
		s.in.Close()
		c.Process.Kill()
		c.Wait()
	})
	s.at = func() string {
		line := make([]byte, 4096)
		n, err := said.Read(line)
		try(t, err)
		return strings.TrimSpace(string(line[:n]))
	}
	return s
}

func framed(k kind, cell, address string) (string, string) {
	stdio := "stdio"
	if strings.Contains(cell, "f") {
		stdio += ",frame=lines"
		if k.bytes {
			address += ",frame=lines"
		}
	}
	return stdio, address
}

func fromStdio(t *testing.T, k kind, cell string) {
	to, getY := k.to(t)
	self, to := framed(k, cell, to)
	s := startStdio(t, self, to)
	writes(t, s.in, "one\n")
	d := driven{t, kind{bytes: true}, k, cell}
	y := getY(nil)
	if !y.Properties().Connected {
		m := socket.Message{}
		m.SetData(make([]byte, 100))
		try(t, y.Receive(&m))
		try(t, y.Connect(t.Context(), m.Peer))
	} else {
		d.wants(k, y, "one")
	}
	if !k.oneWay {
		writes(t, y, d.text(k, "back"))
		wants(t, s.out, "back\n")
	}
	try(t, s.in.Close())
	if !d.has("h") {
		return
	}
	wantsEOF(t, y)
	if !k.oneWay {
		writes(t, y, d.text(k, "late"))
		wants(t, s.out, "late\n")
	}
}

func toStdio(t *testing.T, k kind, cell string) {
	from, getX := k.from(t)
	self, from := framed(k, cell, from)
	s := startStdio(t, from, self)
	x := getX(s.at)
	d := driven{t, k, kind{bytes: true}, cell}
	if x != nil {
		writes(t, x, d.text(k, "one"))
	}
	wants(t, s.out, "one\n")
	if !k.oneWay {
		writes(t, s.in, "back\n")
		d.wants(k, x, "back")
	}
	if !d.has("h") {
		return
	}
	if x != nil {
		d.finish(x)
	} else {
		wants(t, s.out, "two\n")
	}
	wantsEOF(t, s.out)
	if !k.oneWay {
		writes(t, s.in, "late\n")
		d.wants(k, x, "late")
	}
}
