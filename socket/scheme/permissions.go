package scheme

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"zocalo/codec"
	"zocalo/internal/sys"
	"zocalo/internal/users"
	"zocalo/socket"
	"zocalo/socket/option"
)

// Options of the file of a unix socket: who may connect.
var (
	modeOption = option.New(option.Spec{
		Name: "mode", Aliases: []string{"perm"}, Phase: option.Naming, Default: "0600", Only: option.PassiveOnly,
		Doc: "permissions of the socket's file: who may connect",
	}, codec.Codec[os.FileMode]{Placeholder: "MODE", Parse: codec.ParseFileMode, Format: codec.FormatFileMode}, nil, nil)
	umaskOption = option.New(option.Spec{
		Name: "umask", Phase: option.Naming, Default: "0177", Only: option.PassiveOnly,
		Doc: "permission bits to remove from 0777: another way to give mode",
	}, codec.Codec[os.FileMode]{Placeholder: "MODE", Parse: codec.ParseFileMode, Format: codec.FormatFileMode}, nil, nil)
	userOption = option.New(option.Spec{
		Name: "user", Aliases: []string{"uid"}, Phase: option.Naming, Default: "the user who runs this program", Only: option.PassiveOnly,
		Doc: "owner of the socket's file, a name or a number", Privilege: "CAP_CHOWN",
	}, codec.Text.Or("USER"), nil, nil)
	groupOption = option.New(option.Spec{
		Name: "group", Aliases: []string{"gid"}, Phase: option.Naming, Default: "the group of the user who runs this program", Only: option.PassiveOnly,
		Doc: "group of the socket's file, a name or a number", Privilege: "CAP_CHOWN, unless you are in the group",
	}, codec.Text.Or("GROUP"), nil, nil)

	permissionOptions = []*option.Spec{modeOption.Spec, umaskOption.Spec, userOption.Spec, groupOption.Spec}
)

// permissions are those of a socket's file. Its owner is named as in the options,
// for errors.
type permissions struct {
	mode        os.FileMode
	uid, gid    int // -1 leaves it as it is
	user, group string
}

// permissionsOf reads the options.
func permissionsOf(ss option.Settings) (p permissions, err error) {
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
		return &socket.HintError{Err: fmt.Errorf("somebody has replaced the socket's file %s: %w", path, errno), Hint: "choose a folder that nobody else may write to"}
	case errno == syscall.EPERM && p.owned():
		who := "user=" + p.user
		if p.uid < 0 || p.uid == os.Geteuid() {
			who = "group=" + p.group
		}
		return &socket.HintError{Err: fmt.Errorf("changing the owner of %s to %s: %w", path, who, errno), Hint: "only root may give a file away; group= may be one of your own groups"}
	default:
		return sys.Error("chmod", errno)
	}
}

// noPermissions refuses the options where there is no file that could have them.
func noPermissions(ss option.Settings, name string) error {
	for _, s := range ss {
		if slices.Contains(permissionOptions, s.Spec) {
			return EndpointErrorf("%s= is for a socket with a file, and %s has none: allow=uid:N says who is served", s.Spec.Name, name)
		}
	}
	return nil
}
