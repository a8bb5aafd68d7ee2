package socket

import (
	"bytes"
	"slices"
	"syscall"
	"testing"

	"zocalo/internal/sys"
)

// Whatever bytes come as ancillary data, parse stays within them, comes to an
// end, and either hands on or closes each descriptor, once.
func FuzzAncillary(f *testing.F) {
	files := sys.AppendFiles(nil, []int{3, 4, 5})
	other := sys.AppendCmsg(slices.Clone(files), 41, 50, []byte("packet info"))
	credentials := sys.AppendCredentials(slices.Clone(other), 1, 2, 3)
	f.Add(files, 2)
	f.Add(other, 0)
	f.Add(credentials, 253)
	f.Add(credentials[:len(credentials)-5], 1)
	f.Add(sys.AppendCmsg(slices.Clone(files), 1, 4, []byte{9, 0, 0, 0}), 1)
	f.Add(sys.AppendCmsg(nil, 0, 11, make([]byte, 32)), 1)
	f.Add([]byte{}, 1)
	f.Add(bytes.Repeat([]byte{0}, 100), 1)
	f.Add(bytes.Repeat([]byte{0xff}, 100), -1)
	closeForReal := closePassed
	f.Cleanup(func() { closePassed = closeForReal })
	f.Fuzz(func(t *testing.T, hostile []byte, want int) {
		var closed []int
		closePassed = func(fd int) syscall.Errno {
			closed = append(closed, fd)
			return 0
		}
		control := slices.Clone(hostile) // at an address fit for the headers
		var came, all []int              // descriptors by SCM_RIGHTS, and with pidfds
		items := 0
		for c, rest, ok := sys.NextCmsg(control); ok; c, rest, ok = sys.NextCmsg(rest) {
			if items++; items > len(control) {
				t.Fatal("no progress")
			}
			switch sys.What(c) {
			case sys.FilesItem:
				for _, fd := range sys.Files(c) {
					came, all = append(came, fd), append(all, fd)
				}
			case sys.PIDFDItem:
				if fd, ok := sys.CmsgInt(c); ok && fd >= 0 {
					all = append(all, fd)
				}
			}
		}
		a := Ancillary{WantFiles: want}
		_, refused := a.parse(control)
		if got := slices.Concat(a.Files, closed); !slices.Equal(got, came) || refused != (len(closed) > 0) {
			t.Errorf("of the descriptors %v were handed on %v and closed %v; refused %v", came, a.Files, closed, refused)
		}
		if len(a.Files) > max(want, 0) || (a.Present&HasFiles != 0) != (len(a.Files) > 0) {
			t.Errorf("%d descriptors, wanted %d, present %b", len(a.Files), want, a.Present)
		}
		total := 0
		for _, c := range a.Control {
			total += len(c.Data)
		}
		if total > len(control) {
			t.Errorf("%d bytes of data from %d", total, len(control))
		}
		closed = nil
		closeFiles(control)
		if !slices.Equal(closed, all) {
			t.Errorf("of the descriptors %v were closed %v", all, closed)
		}
		// What was handed on and not taken is closed, once.
		kept := len(a.untaken)
		closed = nil
		a.CloseFiles()
		a.CloseFiles()
		if len(closed) != kept || kept < len(a.Files) {
			t.Errorf("of %d descriptors handed on %v were closed", kept, closed)
		}
		// What was parsed stays good when the socket uses its memory again.
		before := len(a.Control)
		if before > 0 {
			data := slices.Clone(a.Control[0].Data)
			clear(control)
			if !bytes.Equal(data, a.Control[0].Data) {
				t.Error("the data is still the socket's")
			}
		}
	})
}
