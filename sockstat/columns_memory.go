package sockstat

var memoryColumns = []*Column{
	memoryColumn("mem_recv", "MEM-RECV", Bytes, "bytes in the receive queue, with the kernel's overhead", func(m *Memory) uint32 { return m.Receive }),
	memoryColumn("mem_recv_limit", "MEM-RECV-LIMIT", Bytes, "maximum bytes in the receive queue (SO_RCVBUF)", func(m *Memory) uint32 { return m.ReceiveLimit }),
	memoryColumn("mem_send", "MEM-SEND", Bytes, "bytes handed to the network and not yet freed", func(m *Memory) uint32 { return m.Send }),
	memoryColumn("mem_send_limit", "MEM-SEND-LIMIT", Bytes, "maximum bytes in the send queue (SO_SNDBUF)", func(m *Memory) uint32 { return m.SendLimit }),
	memoryColumn("mem_forward", "MEM-FORWARD", Bytes, "bytes reserved for the socket but not used", func(m *Memory) uint32 { return m.Forward }),
	memoryColumn("mem_queued", "MEM-QUEUED", Bytes, "bytes queued to be sent or acknowledged, with overhead", func(m *Memory) uint32 { return m.SendQueue }),
	memoryColumn("mem_options", "MEM-OPTIONS", Bytes, "bytes for socket options and filters", func(m *Memory) uint32 { return m.Options }),
	memoryColumn("mem_backlog", "MEM-BACKLOG", Bytes, "bytes that arrived while the program was inside a call", func(m *Memory) uint32 { return m.Backlog }),
	memoryColumn("drops", "DROPS", Count, "messages that were dropped", func(m *Memory) uint32 { return m.Drops }),
}

func memoryColumn(name, header string, unit Unit, doc string, value func(*Memory) uint32) *Column {
	return &Column{Name: name, Header: header, Doc: doc, Unit: unit, Needs: Memories,
		number: func(s *Socket) (uint64, bool) {
			if s.Memory == nil {
				return 0, false
			}
			return uint64(value(s.Memory)), true
		}}
}
