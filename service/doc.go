// Package service runs services that a file describes: any number of relays, echo servers
// and programs for connections, which are changed while they run.
//
//	config, err := service.Load("/etc/zocalo.toml")
//	set, err := service.New(config, service.Options{Log: log})
//	go func() { <-hup; config, err := service.Load("/etc/zocalo.toml"); ...; set.Reload(config) }()
//	err = set.Run(ctx)
//
// A [Config] says what there is: each [Service] has what a command line of zocalo would
// say, as text, and so have its options, by the names of the flags (package verb declares them for
// both). [Load] reads one from a file, and names all that is wrong with it at once,
// each with its line ([Problems]). A [Set] runs it. [Set.Reload] compares service by service:
// what did not change is not touched; changed limits and targets hold for the next pairs
// of the relay that runs; else a successor takes the listening sockets over, and the pairs that
// are open end in their own time. All that a reload asks for is done, or nothing.
// [Set.Status] says how everything is.
//
// # Parts
//
// config.go has what is asked for, file.go and syntax.go read it from TOML, print.go writes
// it, spec.go checks a service, set.go runs them, reload.go changes them, unit.go keeps one
// running, relay.go, serve.go and echo.go are the three kinds, book.go their accounts, status.go
// what is told of them.
package service
