package socket_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"zocalo"
)

// A file or pipe that is to go when it is closed goes then, and one that has its name by
// then stays.
func TestUnlinkFile(t *testing.T) {
	for _, scheme := range []string{"file", "pipe"} {
		for _, replaced := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "x")
			address := scheme + ":" + path + ",unlink-close"
			if scheme == "file" {
				address += ",create"
			}
			s, err := zocalo.Dial(context.Background(), address)
			if err != nil {
				t.Fatal(err)
			}
			if replaced {
				if err := errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, nil, 0o600)); err != nil {
					t.Error(err)
				}
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: before it is closed: %v", scheme, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) == replaced {
				t.Errorf("%s, replaced %v: after it was closed: %v", scheme, replaced, err)
			}
		}
	}
}
