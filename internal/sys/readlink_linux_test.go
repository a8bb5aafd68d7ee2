package sys

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadlinkat(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("socket:[123]", filepath.Join(dir, "7")); err != nil {
		t.Fatal(err)
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	fd := int(d.Fd())
	link := make([]byte, 64)
	name := []byte("7")
	if n, errno := Readlinkat(fd, name, link); errno != 0 || string(link[:n]) != "socket:[123]" {
		t.Errorf("%d %q, %v", n, link, errno)
	}
	if n, errno := Readlinkat(fd, name, link[:6]); errno != 0 || string(link[:n]) != "socket" {
		t.Errorf("into 6 bytes: %d %q, %v", n, link, errno)
	}
	for _, test := range []struct {
		name string
		link []byte
		want error
	}{
		{"8", link, unix.ENOENT}, {"", link, unix.ENOENT}, {strings.Repeat("x", 256), link, unix.ENAMETOOLONG}, {"7", nil, unix.EINVAL},
	} {
		if _, errno := Readlinkat(fd, []byte(test.name), test.link); errno != test.want {
			t.Errorf("%.10q into %d bytes: %v; want %v", test.name, len(test.link), errno, test.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { Readlinkat(fd, name, link) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
