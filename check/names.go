package check

import (
	"fmt"

	"zocalo/socket"
)

// names is the experiment on the pair of names that a connection has: what one
// end calls itself is what the other calls its peer, and the system chose the
// client's.
func names(t *trial) ([]Finding, error) {
	f := Finding{Property: "names", Sent: "two clients that did not ask for a name"}
	if t.New == nil || t.Bind == nil {
		return t.unnamed(f)
	}
	look := t.senderNames
	if t.Promised.Connected {
		look = t.connectedNames
	}
	first, seen, problem, err := look()
	second := ""
	if err == nil && problem == "" {
		second, _, problem, err = look()
	}
	if err != nil {
		return nil, err
	}
	f.Verdict = judge("names", true, problem == "").Verdict
	f.Word, f.Seen = "paired", seen
	switch {
	case problem != "":
		f.Word, f.Seen = "not paired", problem
	case first == "":
		f.Seen += "; clients have no name"
	case first != second:
		f.Seen += "; the other client is " + second
	}
	return []Finding{f}, nil
}

// unnamed is names for kinds whose sockets cannot have any.
func (t *trial) unnamed(f Finding) ([]Finding, error) {
	a, b, err := t.pair()
	if err != nil {
		return nil, err
	}
	f.Sent, f.Verdict, f.Word, f.Seen = "a pair", NotPromised, "none", "neither end has a name"
	if text := a.Name().String() + a.Peer().String() + b.Name().String() + b.Peer().String(); text != "" {
		f.Word, f.Seen = "named", fmt.Sprintf("one end calls itself %s and its peer %s, the other itself %s and its peer %s",
			orUnnamed(a.Name().String()), orUnnamed(a.Peer().String()), orUnnamed(b.Name().String()), orUnnamed(b.Peer().String()))
	}
	return []Finding{f}, nil
}

// connectedNames looks at the names of a new connection, and returns the
// client's.
func (t *trial) connectedNames() (client, seen, problem string, err error) {
	a, b, err := t.pair()
	if err != nil {
		return "", "", "", err
	}
	client = a.Name().String()
	if problem = t.crosswise("peer", b.Peer(), "client", a.Name()); problem == "" {
		problem = t.crosswise("client's peer", a.Peer(), "other end", b.Name())
	}
	return client, fmt.Sprintf("%s and %s at one end, the same crosswise at the other", orUnnamed(client), orUnnamed(b.Name().String())), problem, nil
}

// senderNames is connectedNames for a kind without connections: the name that
// comes with a message is its sender's.
func (t *trial) senderNames() (client, seen, problem string, err error) {
	server, err := t.named()
	if err != nil {
		return "", "", "", err
	}
	c, err := t.client(server.Name(), 0)
	if err != nil {
		return "", "", "", err
	}
	if err := t.write(c, []byte("hola")); err != nil {
		return "", "", "", err
	}
	m, err := t.hear(server, "hola")
	if err != nil {
		return "", "", "", err
	}
	client = c.Name().String()
	if problem = t.crosswise("message's sender", m.Peer, "client", c.Name()); problem == "" {
		problem = t.crosswise("client's peer", c.Peer(), "server", server.Name())
	}
	return client, fmt.Sprintf("a message from %s to %s, by the names that either end knows", orUnnamed(client), server.Name()), problem, nil
}

// crosswise says how the name by which one end knows the other differs from
// the one by which that knows itself.
func (t *trial) crosswise(seenAs string, seen socket.Name, who string, own socket.Name) string {
	if t.same(seen, own) {
		return ""
	}
	return fmt.Sprintf("the %s is %s, and the %s calls itself %s", seenAs, orUnnamed(seen.String()), who, orUnnamed(own.String()))
}

func orUnnamed(name string) string {
	if name == "" {
		return "an unnamed socket"
	}
	return name
}
