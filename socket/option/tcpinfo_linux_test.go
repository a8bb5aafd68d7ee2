package option

import (
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"zocalo/internal/sys"
)

// Each field that the kernel fills in has one of TCPInfo, which no other has.
func TestTCPInfoComplete(t *testing.T) {
	// Linux has always left these at 0, or they are padding.
	never := map[string]bool{"Last_ack_sent": true, "_": true}
	told := map[string]string{}
	typ := reflect.TypeFor[unix.TCPInfo]()
	for i := range typ.NumField() {
		field := typ.Field(i)
		if never[field.Name] {
			continue
		}
		raw := sys.TCPInfo{}
		v := reflect.ValueOf(&raw).Elem().Field(i)
		bits := []uint64{1}
		if field.Name == "Options" {
			bits = []uint64{1, 2, 4, 8, 16, 32, 64, 128}
		}
		for _, bit := range bits {
			v.SetUint(bit)
			changed := changedFields(tcpInfoOf(&raw))
			if len(changed) != 1 {
				t.Errorf("%s=%d: it tells %v", field.Name, bit, changed)
				continue
			}
			if other := told[changed[0]]; other != "" {
				t.Errorf("%s tells %s and %s", changed[0], other, field.Name)
			}
			told[changed[0]] = field.Name
		}
	}
	bitFields := map[string]bool{"SendScale": true, "ReceiveScale": true, "FastOpenFailure": true, "AppLimited": true}
	info := reflect.TypeFor[TCPInfo]()
	for i := range info.NumField() {
		if name := info.Field(i).Name; told[name] == "" && !bitFields[name] {
			t.Errorf("%s is told by no field of the kernel", name)
		}
	}
}

func changedFields(info TCPInfo) (names []string) {
	v := reflect.ValueOf(info)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			names = append(names, v.Type().Field(i).Name)
		}
	}
	return names
}
