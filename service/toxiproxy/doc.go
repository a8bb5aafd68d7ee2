// Package toxiproxy answers the HTTP API of toxiproxy (version 2) over this project's relays
// and faults, so that programs and tests which drive toxiproxy can drive these: for what its
// own does (TCP), and for unix sockets and datagrams.
//
//	s := toxiproxy.New(toxiproxy.Config{Log: log})
//	defer s.Close()
//	err := http.Serve(listener, s)
//
// A [Server] holds proxies, each a [relay.Relay] with a [fault.Plan]: its toxics are the faults
// of that plan, in the same order. What the API says stays what toxiproxy says, statuses and
// texts of errors too, except that attributes that no toxic has are logged. Its own faults are
// not kept: a half-closed connection gets its answer, rates are what they say, and no request hangs.
//
// proxy.go has a proxy and its life, toxics.go the toxics and what faults they are, server.go the requests.
//
// It is for tests and not guarded by anything but its address: requests of browsers are
// refused, as toxiproxy does, and so is a Host that is a name of somebody else's. Whoever can
// connect can make this process connect anywhere, so proxies are of TCP, UDP and unix sockets
// only: addresses that run programs or name files are refused.
package toxiproxy
