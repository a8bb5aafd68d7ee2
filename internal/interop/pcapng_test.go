package interop

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/gopacket/gopacket/pcapgo"

	"zocalo/internal/pcapng"
)

// What the project writes of pcapng is what pcapgo reads.
func TestPcapgoReads(t *testing.T) {
	var file bytes.Buffer
	f, err := pcapng.NewWriter(&file, pcapng.Section{Application: "zocalo", OS: "Linux", Comments: []string{"a file"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []pcapng.Interface{{LinkType: pcapng.LinkRaw, Name: "tcp:[::1]:80"}, {LinkType: pcapng.LinkExportedPDU, Name: "unix:/a"}} {
		if _, err := f.Interface(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Secrets(pcapng.TLSKeyLog, []byte("CLIENT_RANDOM 00 11\n")); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_700_000_000, 987_654_321)
	for i, data := range []string{"one", "", "three"} {
		p := pcapng.Packet{Interface: i % 2, Time: at.Add(time.Duration(i)), Header: []byte("head"), Data: []byte(data),
			Direction: pcapng.Outbound, Comments: []string{"pair 1"}, Process: 3}
		if err := f.Packet(&p); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		if err := f.Statistics(&pcapng.Statistics{Interface: i, Time: at, Start: at, End: at.Add(9), Received: uint64(5 - i), Dropped: 3}); err != nil {
			t.Fatal(err)
		}
	}

	options := pcapgo.DefaultNgReaderOptions
	options.WantMixedLinkType = true
	r, err := pcapgo.NewNgReader(bytes.NewReader(file.Bytes()), options)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"headone", "head", "headthree"} {
		data, ci, err := r.ReadPacketData()
		if err != nil || string(data) != want || !ci.Timestamp.Equal(at.Add(time.Duration(i))) || ci.InterfaceIndex != i%2 {
			t.Errorf("packet %d: %q, %+v, %v", i, data, ci, err)
		}
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if s := r.SectionInfo(); s.Application != "zocalo" || s.OS != "Linux" {
		t.Errorf("section %+v", s)
	}
	i, err := r.Interface(1)
	if err != nil || i.Name != "unix:/a" || uint16(i.LinkType) != uint16(pcapng.LinkExportedPDU) ||
		i.Statistics.PacketsReceived != 4 || i.Statistics.PacketsDropped != 3 || !i.Statistics.EndTime.Equal(at.Add(9)) {
		t.Errorf("interface %+v, %v", i, err)
	}
}
