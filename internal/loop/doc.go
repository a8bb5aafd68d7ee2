// Package loop moves octets between kernel streams without passing them
// through the program. What it holds today are the pipes that splice(2) needs
// between two sockets, kept for use again, so that an idle connection holds
// none.
package loop
