// Package admin is the admin server of a command that runs: what its services do as
// JSON over HTTP, the requests that change them, and the live page for people who would
// rather look.
//
//	s := admin.New(admin.Config{Source: services, Token: token})
//	l, err := net.Listen("tcp", "127.0.0.1:0")
//	...
//	err = s.Serve(l)
//
// It decides nothing and keeps nothing but the latest lines of the log ([Log]) and the
// latest socket calls ([Calls]): a [Source] tells what there is, and is asked only while
// somebody looks. It is not for metrics, which have a server of their own, since their
// readers must not be able to change anything.
//
// # Who may ask
//
// On a unix socket, [Listen] makes one of mode 0600, and only the user of this process
// and root are answered. On any other listener a request must name the server by one of
// its own addresses (Host is parsed, and compared with an exact list, so that no name of
// somebody else's that resolves here is served) and carry the token as
// "Authorization: Bearer TOKEN". What changes something is a POST whose Origin, where a
// browser sends one, is the server itself. The page and its script need no token: they
// hold nothing. The page takes the token from the fragment of its URL, which browsers
// send to nobody.
//
// # Parts
//
// source.go says what is shown, guard.go who may ask, api.go the requests, events.go
// the stream of changes (Server-Sent Events) that the page lives on, log.go and calls.go
// what is remembered, page/ the page. There is no build step: its files are served as
// they are.
package admin
