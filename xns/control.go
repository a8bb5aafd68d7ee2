package xns

import (
	"fmt"
	"syscall"

	"zocalo/socket"
)

// Items of a message's Ancillary.Control in domain NS, each of one byte. The
// numbers are those of BSD's netns/sp.h.
const (
	LevelIDP          = 0 // level
	LevelSPP          = 5 // level: NSPROTO_SPP
	ControlPacketType = 4 // at LevelIDP, SO_LAST_HEADER: the type of an IDP packet
	ControlDatastream = 1 // at LevelSPP: the datastream type of a message
)

// SetDatastream makes Send send m with a datastream type, 0 to 253.
func SetDatastream(m *socket.Message, datastream uint8) {
	setControl(m, LevelSPP, ControlDatastream, datastream)
}

// DatastreamOf returns the datastream type with which a message came or is to be
// sent; 0, the usual one, where nothing says so.
func DatastreamOf(m *socket.Message) uint8 {
	v, _ := controlOf(m, LevelSPP, ControlDatastream)
	return uint8(max(v, 0))
}

// SetType makes Send send m as an IDP packet of that type.
func SetType(m *socket.Message, packetType uint8) {
	setControl(m, LevelIDP, ControlPacketType, packetType)
}

// TypeOf returns the type of IDP packet as which a message came.
func TypeOf(m *socket.Message) uint8 {
	v, _ := controlOf(m, LevelIDP, ControlPacketType)
	return uint8(max(v, 0))
}

func setControl(m *socket.Message, level, kind int, v uint8) {
	m.Ancillary.Control = append(m.Ancillary.Control[:0], socket.Control{Level: level, Type: kind, Data: []byte{v}})
	m.Ancillary.Present |= socket.HasControl
}

// controlOf returns an item of a message, -1 if it has none.
func controlOf(m *socket.Message, level, kind int) (int, error) {
	if m.Ancillary.Present&socket.HasControl == 0 {
		return -1, nil
	}
	v := -1
	for _, c := range m.Ancillary.Control {
		if c.Level != level || c.Type != kind || len(c.Data) != 1 {
			return -1, fmt.Errorf("ancillary data of level %d and type %d with %d bytes is unknown here: %w", c.Level, c.Type, len(c.Data), syscall.EINVAL)
		}
		v = int(c.Data[0])
	}
	return v, nil
}

// refuseExtras refuses what a message asks for and this domain lacks.
func refuseExtras(m *socket.Message, allowed socket.MessageFlags) error {
	lacks := func(what string) error {
		return &socket.UnsupportedError{Feature: what + " with a message of domain ns", Needs: "a kernel socket"}
	}
	switch {
	case m.Ancillary.Present&^socket.HasControl != 0:
		return lacks("ancillary data of this sort")
	case m.SegmentSize > 0:
		return lacks("a train of segments")
	case m.Flags&^allowed != 0:
		return lacks("such a flag")
	}
	return nil
}

// clearMessage makes m ready to be filled in.
func clearMessage(m *socket.Message) {
	m.N, m.Size, m.Flags, m.SegmentSize, m.Peer = 0, 0, 0, 0, socket.Name{}
	m.Ancillary.Present = 0
}
