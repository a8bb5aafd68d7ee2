package sockstat

import (
	"context"
	"iter"
)

// Details are what a listing gathers beyond what it gets for nothing: a
// bit set.
type Details uint16

// The details. A [Filter] or a [Column] that needs one says so (Needs); a filter's
// are gathered without being asked for.
const (
	Memories  Details = 1 << iota // Socket.Memory
	TCPInfos                      // Socket.TCPInfo, MPTCPInfo, Congestion
	Processes                     // Socket.Holders, by a walk over /proc/*/fd
	PeerNames                     // Socket.Peer of unix sockets
	Peers                         // PeerInode of TCP and MPTCP sockets, and with Processes PeerHolders; PeerNames too
	Users                         // Socket.User
	Cgroups                       // Socket.Cgroup, by a walk over the cgroup2 file system
	Commands                      // Holder.Path and Args; Processes too
)

// A Query says what to list. The zero Query lists every socket of every
// kind in this network namespace, without details.
type Query struct {
	Kinds   []Kind  // which kinds; nil for all
	States  []State // which states; nil for all
	Filter  Filter  // which of these; the zero Filter takes all
	Details Details // what to gather besides

	// Want, if not nil, is asked besides the Filter. It must not keep the Socket.
	Want func(*Socket) bool

	// FoldSubflows leaves out a TCP socket that carries an MPTCP socket which was listed:
	// both have one inode and stand for one socket of the program. MPTCP sockets are listed before TCP sockets then, and
	// their inodes are kept, some 16 bytes each.
	FoldSubflows bool

	// Netns is the network namespace to list: a name (a file of
	// /run/netns), else a process id, or the path of a namespace file where it has a slash.
	// "" is the namespace of the calling thread. To enter another one
	// takes CAP_SYS_ADMIN. Processes are found in whichever namespace they are.
	Netns string

	// AllNetns lists all network namespaces in place of one, Socket.Netns says which: those of all
	// processes and threads that this pid namespace has and those in /run/netns. It takes root.
	AllNetns bool

	// Programs, if not nil, hands on what programs have in user space, of the kinds that are not
	// [Kind.InKernel], until each returns false. It is called with those kinds
	// that are asked for, if there are some, and Netns is not. Of the
	// processes the numbers are enough. Which sockets are listed is decided as for all others.
	Programs func(ctx context.Context, kinds []Kind, each func(*Socket) bool)

	// Note, if not nil, is called for each thing that makes the listing weaker than asked, while it runs.
	Note func(Note)
}

// A Note says that a listing is weaker than asked for, why, and what
// would make it better.
type Note struct {
	Reason Reason
	Kinds  []Kind // the kinds that are concerned; nil for all
	Text   string // one line for people
}

// A Reason is why a listing is weaker than asked for.
type Reason uint8

// The reasons.
const (
	// FromProc: the kinds were read from /proc/net because netlink was refused or
	// lacks that part. There are no details then but Processes and Users, no
	// backlog of listeners, no queues and no users of unix sockets, and a unix
	// path with a line break in it can pass itself off as another socket.
	FromProc Reason = iota
	// NotListed: the kinds could not be listed at all.
	NotListed
	// HiddenProcesses: some sockets have no process beside them because
	// this user may not look into other users' processes.
	HiddenProcesses
	// NoCgroups: the cgroup2 file system is not mounted or not readable, so that
	// control groups are numbers.
	NoCgroups
	// HiddenNetns: some network namespaces are not listed because this user may not look
	// into the processes that are in them.
	HiddenNetns
	// Unlisted: processes that were asked for hold sockets that are in no
	// table, as those that were never bound and those of other families.
	Unlisted
	// Interrupted: a kernel table changed while it was read; sockets may be
	// missing or doubled.
	Interrupted
)

// Sockets lists the sockets that q asks for, one after the other, kind by
// kind. The Socket is overwritten by the next one. An error is the last
// thing that is yielded: that of ctx when it ends, one that matches
// errors.ErrUnsupported on systems other than Linux. A caller may stop at any time.
//
// It takes no rights to list. Without CAP_SYS_PTRACE the processes of other
// users stay unknown, which a [Note] tells; what the kernel knows of their sockets (the user
// id, the control group of internet sockets) is there all the same.
func Sockets(ctx context.Context, q Query) iter.Seq2[*Socket, error] {
	return func(yield func(*Socket, error) bool) {
		q.Details |= q.Filter.Needs()
		q.Note = q.notedOnce()
		more := true
		emit := func(s *Socket) bool {
			more = yield(s, nil)
			return more
		}
		if q.kindMask()&(1<<kernelKinds-1) != 0 || q.Programs == nil {
			if err := list(ctx, &q, emit); err != nil {
				yield(nil, err)
				return
			}
		}
		if more {
			q.listPrograms(ctx, emit)
		}
	}
}

// notedOnce is Note, told each thing once though several namespaces have it.
func (q *Query) notedOnce() func(Note) {
	note := q.Note
	if note == nil || !q.AllNetns {
		return note
	}
	told := make(map[string]bool)
	return func(n Note) {
		if !told[n.Text] {
			told[n.Text] = true
			note(n)
		}
	}
}

func (q *Query) note(n Note) {
	if q.Note != nil {
		q.Note(n)
	}
}

// kindMask is the set of kinds that both the query and its filter allow.
func (q *Query) kindMask() uint32 {
	mask := q.Filter.kinds()
	if q.Kinds == nil {
		return mask
	}
	var asked uint32
	for _, k := range q.Kinds {
		asked |= 1 << k
	}
	return mask & asked
}

// stateMask is the set of states that both the query and its filter allow.
func (q *Query) stateMask() uint32 {
	mask := q.Filter.states()
	if q.States == nil {
		return mask
	}
	var asked uint32
	for _, s := range q.States {
		asked |= 1 << s
	}
	return mask & asked
}
