package iso

import (
	"fmt"

	"zocalo/codec"
	"zocalo/socket"
	"zocalo/socket/option"
)

// The sizes that a connection uses unless told otherwise, in bytes.
const (
	DefaultTPDU = 8192    // of a TPDU, before both sides settle on the lesser
	DefaultTSDU = 4 << 20 // of the longest message
)

// Options of connections. They are set before Connect or Listen; a listener's
// go over to what it accepts.
var (
	// CalledSelector is the selector of the listener: the one to call, or the
	// one to be. It is part of the names that an address resolves to.
	CalledSelector = option.New(option.Spec{
		Name: "tsap", Aliases: []string{"remote-tsap", "called-tsap"}, Phase: option.Naming,
		Default: "none; a listener without one takes what no other listener claims",
		Doc:     "selector of the listener: 0x0302, rack0slot2, op-rack0slot2, basic-rack0slot2 or text",
	}, selectorCodec, nil, nil)

	// CallingSelector is the selector of the one who calls, or who sends
	// datagrams. Without it a client that calls a selector says 0x0100, as S7
	// gear expects of a programming device; one that calls none says none.
	CallingSelector = option.New(option.Spec{
		Name: "local-tsap", Aliases: []string{"calling-tsap"}, Phase: option.Opened, Only: option.ActiveOnly,
		Default: "0x0100 with tsap=, else none",
		Doc:     "own selector, written as that of tsap=; local-tsap= alone sends none",
	}, selectorCodec, func(e socket.Endpoint, s Selector) error {
		if d, ok := socket.As[*datagram](e); ok {
			return d.setSelector(s)
		}
		return configure(e, func(c *config) { c.calling, c.hasCalling = s, true })
	}, func(e socket.Endpoint) (Selector, error) { return SelectorOf(e.Name()), nil })

	// TPDUSize is the most that a TPDU may have, header included: 128, 256
	// and so on to 8192, or 65531, which a connection request says by leaving
	// the parameter out. Both sides settle on the lesser; to read it after
	// Connect or Accept tells which.
	TPDUSize = option.New(option.Spec{
		Name: "tpdu", Aliases: []string{"tpdu-size"}, Phase: option.Opened, Default: "8192, or less if the peer says so",
		Doc: "largest TPDU: 128, 256, 512 ... 8192, or 65531",
	}, codec.Codec[int]{Placeholder: "SIZE", Parse: parseTPDUSize, Format: codec.FormatSize[int]},
		func(e socket.Endpoint, n int) error {
			if err := checkTPDUSize(n); err != nil {
				return err
			}
			return configure(e, func(c *config) { c.tpdu = n })
		}, func(e socket.Endpoint) (int, error) { return configured(e, func(c *config) int { return c.tpdu }) })

	// LargestTSDU bounds a message in both directions, in bytes. A longer
	// one is refused with EMSGSIZE when sent, and ends the connection when it
	// comes.
	LargestTSDU = option.New(option.Spec{
		Name: "tsdu", Aliases: []string{"tsdu-size"}, Phase: option.Opened, Default: "4MiB",
		Doc: "longest message, whichever way it goes",
	}, codec.AtLeast(codec.Size, 1), func(e socket.Endpoint, n int) error {
		if n < 1 {
			return fmt.Errorf("a maximum of %d bytes leaves no messages", n)
		}
		return configure(e, func(c *config) { c.tsdu = n })
	}, func(e socket.Endpoint) (int, error) { return configured(e, func(c *config) int { return c.tsdu }) })

	// Expedited asks for expedited data, or lets a peer have it that asks: it
	// is the urgent data of these domains. To read it after Connect or Accept
	// tells whether both sides agreed.
	Expedited = option.New(option.Spec{
		Name: "expedited", Aliases: []string{"xpd"}, Phase: option.Opened, Default: "off",
		Doc: "have urgent data of 1 to 16 bytes, if the peer wants it too",
	}, codec.Flag, func(e socket.Endpoint, on bool) error {
		return configure(e, func(c *config) { c.expedited = on })
	}, func(e socket.Endpoint) (bool, error) {
		return configured(e, func(c *config) bool { return c.expedited })
	})

	// Checksum makes a datagram socket send the checksum of ISO 8602. One
	// that comes is verified in any case.
	Checksum = option.New(option.Spec{
		Name: "checksum", Phase: option.Opened, Default: "off: UDP has one",
		Doc: "send a checksum with each datagram; one that comes is verified in any case",
	}, codec.Flag, func(e socket.Endpoint, on bool) error {
		d, ok := socket.As[*datagram](e)
		if !ok {
			return notOurs("checksum")
		}
		d.checksum.Store(on)
		return nil
	}, func(e socket.Endpoint) (bool, error) {
		d, ok := socket.As[*datagram](e)
		if !ok {
			return false, notOurs("checksum")
		}
		return d.checksum.Load(), nil
	})
)

func connectionOptions() []*option.Spec {
	return []*option.Spec{CalledSelector.Spec, CallingSelector.Spec, TPDUSize.Spec, LargestTSDU.Spec, Expedited.Spec}
}

func datagramOptions() []*option.Spec {
	return []*option.Spec{CalledSelector.Spec, CallingSelector.Spec, Checksum.Spec}
}

func parseTPDUSize(text string) (int, error) {
	n, err := codec.Size.Parse(text)
	if err != nil {
		return 0, err
	}
	return n, checkTPDUSize(n)
}

func checkTPDUSize(n int) error {
	if n == largestTPDU || n <= DefaultTPDU && codeOfSize(n) != 0 {
		return nil
	}
	return fmt.Errorf("%d is not a TPDU size: choose 128, 256, 512, 1024, 2048, 4096, 8192 or 65531", n)
}

// config is what options decide about a connection.
type config struct {
	calling    Selector
	hasCalling bool
	tpdu       int
	tsdu       int
	expedited  bool
	userData   []byte // to send with the CR or, by a listener, the CC
}

func notOurs(option string) error {
	return &socket.UnsupportedError{Feature: "option " + option, Needs: "a socket of domain iso that has it"}
}

// configure changes the options of a socket that neither is connected nor
// listens yet.
func configure(e socket.Endpoint, change func(*config)) error {
	c, ok := socket.As[*connection](e)
	if !ok {
		return &socket.UnsupportedError{Feature: "an option of ISO connections", Needs: "a seqpacket or stream socket of domain iso"}
	}
	return c.configure(change)
}

func configured[T any](e socket.Endpoint, read func(*config) T) (v T, err error) {
	c, ok := socket.As[*connection](e)
	if !ok {
		return v, &socket.UnsupportedError{Feature: "an option of ISO connections", Needs: "a seqpacket or stream socket of domain iso"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return read(&c.config), nil
}
