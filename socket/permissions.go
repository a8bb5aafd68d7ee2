package socket

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"

	"zocalo/internal/sys"
	"zocalo/internal/users"
)

// Options of the file of a unix socket: who may connect.
var (
	modeOption = NewOption(Spec{
		Name: "mode", Aliases: []string{"perm"}, Phase: Naming, Default: "0600", Only: PassiveOnly,
		Doc: "permissions of the socket's file: who may connect",
	}, Codec[os.FileMode]{"MODE", ParseMode, FormatMode}, nil, nil)
	umaskOption = NewOption(Spec{
		Name: "umask", Phase: Naming, Default: "0177", Only: PassiveOnly,
		Doc: "permissions that the socket's file does not have, of 0777: the other way to say mode",
	}, Codec[os.FileMode]{"MODE", ParseMode, FormatMode}, nil, nil)
	userOption = NewOption(Spec{
		Name: "user", Aliases: []string{"uid"}, Phase: Naming, Default: "who runs this program", Only: PassiveOnly,
		Doc: "owner of the socket's file, a name or a number", Privilege: "CAP_CHOWN",
	}, Text.Or("USER"), nil, nil)
	groupOption = NewOption(Spec{
		Name: "group", Aliases: []string{"gid"}, Phase: Naming, Default: "that of who runs this program", Only: PassiveOnly,
		Doc: "group of the socket's file, a name or a number", Privilege: "CAP_CHOWN, unless it is a group of one's own",
	}, Text.Or("GROUP"), nil, nil)

	permissionOptions = []*Spec{modeOption.Spec, umaskOption.Spec, userOption.Spec, groupOption.Spec}
)

// ParseMode reads permissions in octal, as 0660.
func ParseMode(text string) (os.FileMode, error) {
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || n > 0o7777 {
		return 0, fmt.Errorf("%q are not permissions in octal, as 0660", text)
	}
	return os.FileMode(n), nil
}

// FormatMode is the inverse of ParseMode.
func FormatMode(m os.FileMode) string { return fmt.Sprintf("%04o", uint32(m)) }

// permissions are those of a socket's file. Its owner is named as in the options,
// for errors.
type permissions struct {
	mode        os.FileMode
	uid, gid    int // -1 leaves it as it is
	user, group string
}

// permissionsOf reads the options.
func permissionsOf(ss Settings) (p permissions, err error) {
	p = permissions{mode: 0o600, uid: -1, gid: -1}
	mode, hasMode := modeOption.In(ss)
	umask, hasUmask := umaskOption.In(ss)
	switch {
	case hasMode && hasUmask:
		return p, EndpointErrorf("mode and umask both say who may connect: omit one")
	case hasMode:
		p.mode = mode
	case hasUmask:
		p.mode = 0o777 &^ umask
	}
	var given bool
	if p.user, given = userOption.In(ss); given {
		if p.uid, err = users.UID(p.user); err != nil {
			return p, err
		}
	}
	if p.group, given = groupOption.In(ss); given {
		if p.gid, err = users.GID(p.group); err != nil {
			return p, err
		}
	}
	return p, nil
}

// owned reports whether the file is for another owner than who makes it.
func (p *permissions) owned() bool { return p.uid >= 0 || p.gid >= 0 }

// first returns the mode that the file is made with: until it has its owner,
// whoever makes it is alone with it.
func (p *permissions) first() os.FileMode {
	if p.owned() {
		return p.mode & 0o700
	}
	return p.mode
}

// set gives the permissions to the file, whose mode is known: it may have been
// made with another, for the process's umask takes bits away.
func (p *permissions) set(path string, made os.FileMode) error {
	if !p.owned() && made.Perm() == p.mode {
		return nil
	}
	switch errno := sys.OwnSocket(path, p.uid, p.gid, uint32(p.mode)); {
	case errno == syscall.ENOTSOCK:
		return &Advised{fmt.Errorf("somebody has replaced the socket's file %s: %w", path, errno), "choose a folder that nobody else may write to"}
	case errno == syscall.EPERM && p.owned():
		who := "user=" + p.user
		if p.uid < 0 || p.uid == os.Geteuid() {
			who = "group=" + p.group
		}
		return &Advised{fmt.Errorf("giving %s to %s: %w", path, who, errno), "only root may give a file away; group= may be one of your own groups"}
	default:
		return syscallError("chmod", errno)
	}
}

// noPermissions refuses the options where there is no file that could have them.
func noPermissions(ss Settings, name string) error {
	for _, s := range ss {
		if slices.Contains(permissionOptions, s.Spec) {
			return EndpointErrorf("%s= is for a socket with a file, and %s has none: allow=uid:N says who is served", s.Spec.Name, name)
		}
	}
	return nil
}
