package quic

import (
	"reflect"
	"sync"
	"testing"

	quicgo "github.com/quic-go/quic-go"
)

// quic-go has what delivered and flushed look at. Where this fails after a new version of
// it came, closing waits for nothing, and what is sent last may be lost.
func TestFieldsOfQUICGo(t *testing.T) {
	for _, f := range []struct {
		of   reflect.Type
		path []string
		is   func(reflect.Type) bool
	}{
		{reflect.TypeFor[quicgo.Stream](), []string{"sendStr"}, isType[*quicgo.SendStream]},
		{reflect.TypeFor[quicgo.SendStream](), []string{"mutex"}, isType[sync.Mutex]},
		{reflect.TypeFor[quicgo.SendStream](), []string{"completed"}, isType[bool]},
		{reflect.TypeFor[quicgo.Conn](), []string{"datagramQueue", "sendMx"}, isType[sync.Mutex]},
		{reflect.TypeFor[quicgo.Conn](), []string{"datagramQueue", "sendQueue", "ring"}, func(t reflect.Type) bool { return t.Kind() == reflect.Slice }},
	} {
		at := f.of
		for _, name := range f.path {
			if at.Kind() == reflect.Pointer {
				at = at.Elem()
			}
			field, ok := reflect.StructField{}, false
			if at.Kind() == reflect.Struct {
				field, ok = at.FieldByName(name)
			}
			if !ok {
				t.Fatalf("%v has no field %v: at %v there is no %s", f.of, f.path, at, name)
			}
			at = field.Type
		}
		if !f.is(at) {
			t.Errorf("field %v of %v is a %v", f.path, f.of, at)
		}
	}
}

func isType[T any](t reflect.Type) bool { return t == reflect.TypeFor[T]() }
