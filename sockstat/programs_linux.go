package sockstat

import (
	"golang.org/x/sys/unix"
)

// programCompleter returns what adds the details to a socket of which a program has told.
func programCompleter(d Details) func(*Socket) {
	l := &lister{users: make(map[uint32]string)}
	return func(s *Socket) {
		if d&Users != 0 && s.HasUID {
			s.User = l.user(s.UID)
		}
		if d&Processes == 0 {
			s.Holders = nil
			return
		}
		proc, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		defer unix.Close(proc)
		look := holders{procFD: proc}
		for i := range s.Holders {
			h := &s.Holders[i]
			h.Name = look.name(h.PID)
			if d&Commands != 0 {
				h.Path, h.Args = look.command(h.PID)
			}
		}
	}
}
