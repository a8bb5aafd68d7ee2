package interop

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"

	"zocalo/record"
	"zocalo/relay/join"
	"zocalo/relay/outcome"
	"zocalo/socket"
)

// gathered is what one direction of a stream brought, as gopacket puts it together.
type gathered struct{ data map[string][]byte }

func (g *gathered) New(net, transport gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	return &gatheredStream{g, transport}
}

type gatheredStream struct {
	*gathered
	flow gopacket.Flow
}

func (s *gatheredStream) Accept(_ *layers.TCP, _ gopacket.CaptureInfo, _ reassembly.TCPFlowDirection, _ reassembly.Sequence, start *bool, _ reassembly.AssemblerContext) bool {
	return true
}

func (s *gatheredStream) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	dir, _, _, skipped := sg.Info()
	if skipped > 0 {
		s.data["skipped"] = append(s.data["skipped"], 1)
	}
	n, _ := sg.Lengths()
	s.data[dir.String()] = append(s.data[dir.String()], sg.Fetch(n)...)
}

func (s *gatheredStream) ReassemblyComplete(reassembly.AssemblerContext) bool {
	s.data["complete"] = []byte{1}
	return true
}

// A recording of a unix socket is one that gopacket decodes, with right checksums, and whose
// streams it puts together.
func TestGopacketReadsRecordings(t *testing.T) {
	var file bytes.Buffer
	r, err := record.New(&file, record.Options{Must: true})
	if err != nil {
		t.Fatal(err)
	}
	a, b, err := socket.Pair(socket.Unix, socket.Stream, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	p := r.Begin(record.Info{Ends: [2]*socket.Socket{a, b}})
	question, answer := bytes.Repeat([]byte("question"), 10_001), bytes.Repeat([]byte("answer!"), 30_001)
	p.Data(context.Background(), outcome.A, join.Bytes, question)
	p.Data(context.Background(), outcome.B, join.Bytes, answer[:100_001])
	p.Data(context.Background(), outcome.B, join.Bytes, answer[100_001:])
	p.End(outcome.Result{How: outcome.Finished}, nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}

	read, err := pcapgo.NewNgReader(bytes.NewReader(file.Bytes()), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	g := &gathered{map[string][]byte{}}
	assembler := reassembly.NewAssembler(reassembly.NewStreamPool(g))
	for {
		data, ci, err := read.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		packet := gopacket.NewPacket(data, layers.LayerTypeIPv4, gopacket.Default)
		if packet.ErrorLayer() != nil {
			t.Fatal(packet.ErrorLayer().Error())
		}
		if tcp, ok := packet.TransportLayer().(*layers.TCP); ok {
			tcp.SetNetworkLayerForChecksum(packet.NetworkLayer())
		}
		if err, wrong := packet.VerifyChecksums(); err != nil || len(wrong) > 0 {
			t.Errorf("checksums: %v, %v", err, wrong)
		}
		if tcp, ok := packet.TransportLayer().(*layers.TCP); ok {
			c := &assembled{ci}
			assembler.AssembleWithContext(packet.NetworkLayer().NetworkFlow(), tcp, c)
		}
	}
	assembler.FlushAll()
	if !bytes.Equal(g.data["client->server"], question) || !bytes.Equal(g.data["server->client"], answer) || g.data["skipped"] != nil || g.data["complete"] == nil {
		for k, v := range g.data {
			t.Errorf("%s: %d bytes", k, len(v))
		}
	}
}

type assembled struct{ gopacket.CaptureInfo }

func (a *assembled) GetCaptureInfo() gopacket.CaptureInfo { return a.CaptureInfo }
