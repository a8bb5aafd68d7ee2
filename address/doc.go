// Package address is the language in which people write where a socket is:
//
//	SCHEME:ENDPOINT[,OPTION[=VALUE]]...
//
// as in tcp:localhost:5346, unix-listen:/run/x.sock,mode=0660 or
// udp:[::1]:53,bind=:5353,rcvbuf=1MB. [Parse] reads it, [Address.String]
// prints it, [Explain] says what it means. It is text and nothing else: no
// name is resolved and nothing is opened here, and what an endpoint means is
// known to the scheme, which the socket's family registers with package
// zocalo/socket/scheme. The options that every family shares, those of the caller, are
// defined here; see [Bind], [Backlog], [ConnectTimeout], [Frame], [Fork] and
// [Once].
//
// # Schemes
//
// The scheme is the word before the first colon, in any case: tcp, udp, unix
// and so on, or another spelling that the family gives it. SCHEME://ENDPOINT
// is the same as SCHEME:ENDPOINT, so an endpoint that begins with two slashes
// needs four. An address that is to be passive where the verb does not say so
// is written SCHEME-listen: or SCHEME-l:, and one that is to be active
// SCHEME-connect:, as socat has them. A scheme without an endpoint, such as
// stdio, or "-" for short, needs no colon.
//
// # Commas
//
// A comma parts the options from the endpoint and from each other. A comma
// that belongs to an endpoint or a value is written twice, and there is no
// other quoting: quotes and backslashes are the shell's. The text is read from
// the left, and of a run of commas each two are one literal comma; a last one
// left over parts. So in unix:/a,,b,mode=0600 the path is "/a,b", and
// unix:/a,,,mode=0600 is the path "/a," followed by an option. No reading is
// lost by that rule: an option begins with its name, and a name with a letter,
// so nothing that parts is ever followed by a comma that is meant literally.
//
// # Options
//
// An option is NAME=VALUE, or for a flag NAME alone; NAME=0 says that a flag
// is off. Names are read in any case. An option that the scheme does not
// take, or the wrong side of it, is refused by name, as is one whose value is
// not what it should be: nothing is ignored. An option may be given again with
// the same value, under any of its names, and counts once; with another value
// it is refused.
//
// # Shells
//
// [Address.String] adds to what the user wrote only letters, digits, and the
// characters , : = / - . which no common shell touches inside a word.
package address
