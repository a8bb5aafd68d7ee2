package socket_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"zocalo/address"
	"zocalo/socket"
)

// bindAddress binds as the address says.
func bindAddress(t *testing.T, text string) (*socket.Socket, error) {
	t.Helper()
	a, err := address.Parse(text)
	check(t, err)
	return bindUnix(t.Context(), unixStream, a.Endpoint, a.Settings...)
}

// The file has the owner and the permissions that the address says, by name or
// number.
func TestUnixOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may give files away")
	}
	for options, want := range map[string]struct {
		uid, gid uint32
		mode     os.FileMode
	}{
		"user=daemon,mode=0640":      {1, 0, 0o640},
		"user=4242,group=4343":       {4242, 4343, 0o600},
		"gid=root,umask=007":         {0, 0, 0o770},
		"group=4343,umask=0117":      {0, 4343, 0o660},
		"uid=0,perm=0666":            {0, 0, 0o666},
		"user=4242,group=0,mode=020": {4242, 0, 0o020},
	} {
		path := filepath.Join(t.TempDir(), "s")
		s, err := bindAddress(t, "unix-listen:"+path+","+options)
		if err != nil {
			t.Errorf("%s: %v", options, err)
			continue
		}
		info, err := os.Lstat(path)
		check(t, err)
		if st := info.Sys().(*syscall.Stat_t); st.Uid != want.uid || st.Gid != want.gid || info.Mode().Perm() != want.mode {
			t.Errorf("%s: owner %d, group %d, mode %04o; want %+v", options, st.Uid, st.Gid, info.Mode().Perm(), want)
		}
		check(t, s.Close())
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s: the file is left after Close", options)
		}
	}
}

// What cannot be is refused by name, and leaves no file.
func TestUnixOwnerRefused(t *testing.T) {
	for options, want := range map[string]string{
		"user=no-such-user":    `there is no user "no-such-user"`,
		"group=no-such-group":  `there is no group "no-such-group"`,
		"user=4294967295":      `there is no user "4294967295"`,
		"mode=0600,umask=0177": "omit one",
	} {
		path := filepath.Join(t.TempDir(), "s")
		if _, err := bindAddress(t, "unix-listen:"+path+","+options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q in it", options, err, want)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s: a file is left", options)
		}
		if _, err := bindAddress(t, "unix-listen:@zocalo-test,"+options); err == nil || !strings.Contains(err.Error(), "has none") {
			t.Errorf("%s of a name without a file: %v", options, err)
		}
	}
}
