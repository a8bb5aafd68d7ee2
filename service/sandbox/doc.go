// Package sandbox takes from this process what it will not need: with Landlock (Linux 5.13;
// TCP ports from 6.7) it can open the files and use the TCP ports that its addresses name, and
// no others, from then on and for good.
//
//	var needs sandbox.Needs
//	for _, a := range addresses {
//		if err := needs.Add(a, passive); err != nil { ... }
//	}
//	err := sandbox.Enter(needs)
//
// [Needs] is what addresses take, as their schemes and options tell ([Needs.Add]); what a
// later set takes beyond an earlier one is [Needs.Beyond], by which a reload is refused in
// words and not by an EACCES when it is too late. It is not for programs: what one takes
// nobody knows, so exec: and shell: are refused.
//
// What Landlock of these versions does not restrict stays as it is: UDP, MPTCP, connecting to unix
// sockets, and what is open already.
package sandbox
