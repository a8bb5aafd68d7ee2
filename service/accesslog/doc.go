// Package accesslog writes a line of JSON for each pair that is over, to a file or to
// syslog.
//
//	log, err := accesslog.Open("/var/log/zocalo/access.jsonl", accesslog.Options{})
//	relay.Ended = func(p relay.Pair) { log.Ended("db", p) }
//
// A line is whole, and nothing waits for it to be written: lines queue up in memory, a goroutine
// writes as many as there are at once, and those that find no room are counted ([Log.Lost]).
// What takes no lines, a full disk or a syslog that is stopped, is tried again until it does; the
// first line after a loss says how many are missing. None is written twice or in part,
// unless the file is changed by [Log.Reopen] in the middle of one: then it is written
// again, whole, to the new one.
//
// A line has the keys of what relay --json prints:
//
//	{"time":"2026-12-01T12:00:00.123Z","service":"db","pair":7,"peer":"10.0.0.9:40112","target":"tcp:10.0.0.1:5432",
//	 "began":"2026-12-01T11:59:59.1Z","seconds":1.023,"how":"finished",
//	 "sent":{"bytes":120,"end_of_file":true},"received":{"bytes":4096,"end_of_file":true}}
//
// # Rotation
//
// A file is opened to append. Move it away and call [Log.Reopen], as the command does at
// SIGHUP: logrotate's create and copytruncate both work.
//
// # Syslog
//
// A socket of the unix domain gets messages as syslog(3) of the C library writes them (the older
// format, RFC 3164, without a host), which both rsyslog and journald read; any other
// address those of RFC 5424, on streams with their length before them (RFC 6587, octet
// counting, as RFC 5425 has for TLS). The facility is daemon, and the severity info, or warning for a pair that
// failed.
//
// log.go has the queue, line.go the lines, file.go and syslog.go where they go.
package accesslog
