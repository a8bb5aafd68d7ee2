package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"zocalo/internal/nearest"
	"zocalo/socket"
	"zocalo/sockstat"
)

// A kindWord is a word for a kind of socket, or for a part of a kind: the
// schemes of addresses, where these name kernel sockets.
type kindWord struct {
	word string
	kind sockstat.Kind
	part func(*sockstat.Socket) bool // nil for all of the kind
}

var listKinds = func() []kindWord {
	var words []kindWord
	for _, k := range sockstat.Kinds() {
		words = append(words, kindWord{k.String(), k, nil})
	}
	v4 := func(s *sockstat.Socket) bool { return s.Local.Addr.Addr().Is4() }
	v6 := func(s *sockstat.Socket) bool { return s.Local.Addr.Addr().Is6() }
	typed := func(t socket.Type) func(*sockstat.Socket) bool {
		return func(s *sockstat.Socket) bool { return s.Type == t }
	}
	return append(words,
		kindWord{mptcpWord, sockstat.MPTCP, nil},
		kindWord{"tcp4", sockstat.TCP, v4}, kindWord{"tcp6", sockstat.TCP, v6},
		kindWord{"udp4", sockstat.UDP, v4}, kindWord{"udp6", sockstat.UDP, v6},
		kindWord{"raw6", sockstat.Raw, v6},
		kindWord{"packet-dgram", sockstat.Packet, typed(socket.Datagram)},
		kindWord{"unix-stream", sockstat.Unix, typed(socket.Stream)},
		kindWord{"unix-dgram", sockstat.Unix, typed(socket.Datagram)},
		kindWord{"unix-seqpacket", sockstat.Unix, typed(socket.SeqPacket)},
		kindWord{"vsock-seqpacket", sockstat.Vsock, typed(socket.SeqPacket)})
}()

// kindWords lists the kinds for the help.
func kindWords() string {
	var names []string
	for _, k := range sockstat.Kinds() {
		names = append(names, k.String())
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1] +
		";\nor a part of one: tcp4, tcp6, udp4, udp6, raw6, packet-dgram, unix-stream, unix-dgram,\nunix-seqpacket, vsock-seqpacket"
}

// listWords are the words after list.
type listWords struct {
	kinds       []kindWord
	filter      sockstat.Filter
	positive    bool // a filter says what is wanted, not what is not, and not a kind alone
	connections bool // a filter is about what only some of all sockets have
	filtered    bool // there is a filter
	pairs       bool // a kind that is asked for is pair
	vsock       bool // a kind that is asked for is vsock
}

// parseListWords tells kinds from filters, which have a = in them.
func parseListWords(args []string) (w listWords, err error) {
	var filters []string
	for _, arg := range args {
		if key, _, isFilter := strings.Cut(arg, "="); isFilter {
			key, negative := strings.CutSuffix(key, "!")
			w.filtered = true
			w.pairs = w.pairs || key == "kind" && !negative && strings.Contains(arg, sockstat.Pair.String())
			w.vsock = w.vsock || key == "kind" && !negative && strings.Contains(arg, sockstat.Vsock.String())
			w.positive = w.positive || !negative && key != "kind" && key != "type"
			if !slices.Contains(sockstat.FilterKeys(), key) {
				return w, unknownColumn("filter", key, sockstat.FilterKeys())
			}
			filters = append(filters, arg)
			w.connections = w.connections || aboutConnections(key)
			continue
		}
		i := slices.IndexFunc(listKinds, func(k kindWord) bool { return k.word == strings.ToLower(arg) })
		if i < 0 {
			return w, unknownListWord(arg)
		}
		w.kinds = append(w.kinds, listKinds[i])
		w.pairs = w.pairs || listKinds[i].kind == sockstat.Pair
		w.vsock = w.vsock || listKinds[i].kind == sockstat.Vsock
		w.connections = w.connections || w.pairs // which is one
	}
	if w.filter, err = sockstat.ParseFilter(filters); err != nil {
		return w, err
	}
	if word := w.filter.VsockPort(); word != "" && !w.vsock {
		return w, fmt.Errorf("filter %s: ports go from 0 to 65535; only vsock has higher ones: write list vsock %[1]s", word)
	}
	return w, nil
}

// ofPrograms reports whether a kind is asked for that programs have in user space.
func (w *listWords) ofPrograms() bool {
	return slices.ContainsFunc(w.kinds, func(k kindWord) bool { return !k.kind.InKernel() })
}

// unknownListWord says what a word that is no kind may have been meant for.
func unknownListWord(word string) error {
	text := sockstat.Quote(word)
	if port := strings.TrimPrefix(word, ":"); isPort(port) {
		return fmt.Errorf("%s is not a kind of socket: for a port, write port=%s", text, port)
	}
	lower := strings.ToLower(word)
	if _, err := sockstat.ParseState(lower); err == nil {
		return fmt.Errorf("%s is not a kind of socket: for a state, write state=%s", text, lower)
	}
	if slices.Contains(sockstat.FilterKeys(), lower) {
		return fmt.Errorf("%s is a filter without a value: write %s=VALUE", text, lower)
	}
	var kinds []string
	for _, k := range listKinds {
		kinds = append(kinds, k.word)
	}
	if near := nearest.Word(lower, append(slices.Clone(kinds), sockstat.FilterKeys()...)); near != "" {
		return fmt.Errorf("unknown word %q: did you mean %s?", word, near)
	}
	return fmt.Errorf("unknown word %q: write a kind, such as %s, or a filter KEY=VALUE: 'zocalo list --help' has both", word, strings.Join(kinds[:3], ", "))
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}

// aboutConnections reports whether a filter on key asks for sockets that do
// not listen, so that looking among those that do alone would be no answer.
func aboutConnections(key string) bool {
	switch key {
	case "state", "raddr", "rport", "timer", "expires", "timer_retrans", "shutdown", "orphan":
		return true
	}
	c, err := sockstat.FindColumn(key)
	return err == nil && c.Needs&(sockstat.TCPInfos|sockstat.Peers|sockstat.PeerNames) != 0
}

// query asks for what the words say, among all sockets or those that listen.
func (w *listWords) query(all bool) sockstat.Query {
	q := sockstat.Query{Filter: w.filter}
	for _, k := range w.kinds {
		q.Kinds = append(q.Kinds, k.kind)
	}
	if q.Kinds == nil && w.filtered && !w.pairs { // it is about sockets: a pair would be what they are, once more
		q.Kinds = slices.DeleteFunc(sockstat.Kinds(), func(k sockstat.Kind) bool { return k == sockstat.Pair })
	}
	var wants []func(*sockstat.Socket) bool
	if !all {
		q.States = []sockstat.State{sockstat.Listen, sockstat.Unconnected}
		wants = append(wants, (*sockstat.Socket).Listening)
	}
	if slices.ContainsFunc(w.kinds, func(k kindWord) bool { return k.part != nil }) {
		wants = append(wants, func(s *sockstat.Socket) bool {
			return slices.ContainsFunc(w.kinds, func(k kindWord) bool { return k.kind == s.Kind && (k.part == nil || k.part(s)) })
		})
	}
	if wants != nil {
		q.Want = func(s *sockstat.Socket) bool {
			for _, want := range wants {
				if !want(s) {
					return false
				}
			}
			return true
		}
	}
	return q
}
