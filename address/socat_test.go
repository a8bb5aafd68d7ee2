package address_test

import (
	"testing"

	"zocalo/address"
)

// The spellings of socat that people have in their fingers, and what they are
// here.
func TestSocatSpellings(t *testing.T) {
	for text, want := range map[string]string{
		"TCP-LISTEN:8080,fork,reuseaddr":          "tcp-listen:8080,fork,reuseaddr",
		"TCP4-LISTEN:8080,bind=127.0.0.1":         "tcp4-listen:8080,bind=127.0.0.1",
		"TCP-L:8080":                              "tcp-listen:8080",
		"TCP6-CONNECT:[::1]:80,connect-timeout=5": "tcp6-connect:[::1]:80,connect-timeout=5s",
		"TCP:host:80,tcp-nodelay":                 "tcp:host:80,nodelay",
		"TCP:host:80,nodelay=1,so-keepalive":      "tcp:host:80,nodelay,keepalive",
		"UDP-LISTEN:53,fork":                      "udp-listen:53,fork",
		"UDP4:host:53,bind=:5353":                 "udp4:host:53,bind=:5353",
		"UNIX-LISTEN:/run/x,mode=0660,backlog=9":  "unix-listen:/run/x,mode=0660,backlog=9",
		"UNIX-CONNECT:/x":                         "unix-connect:/x",
		"UNIX-L:/x":                               "unix-listen:/x",
		"-":                                       "stdio",
		"STDIO":                                   "stdio",
		"TCP-LISTEN:80,reuseaddr,":                "tcp-listen:80,reuseaddr",
		"UDP4-RECVFROM:53,reuseaddr":              "udp4-listen:53,reuseaddr",
		"UDP6-SENDTO:[::1]:53,sp=5353":            "udp6-connect:[::1]:53,bind=:5353",
		"UDP-DATAGRAM:10.0.0.255:9,broadcast":     "udp-connect:10.0.0.255:9,broadcast",
		"ABSTRACT-LISTEN:x":                       "unix-listen:@x",
		"ABSTRACT-CLIENT:x":                       "unix-connect:@x",
		"UNIX-LISTEN:/x,reuseaddr,unlink-close":   "unix-listen:/x,unlink-close",
		"UNIX-LISTEN:/x,umask=007":                "unix-listen:/x,umask=0007",
		"UNIX-LISTEN:/x,user=www-data,gid=33":     "unix-listen:/x,user=www-data,group=33",
		"FILE:/dev/ttyS0,b115200,rawer,echo=0":    "file:/dev/ttyS0,speed=115200,raw,echo=0",
		"OPEN:/dev/ttyS0,ispeed=9600,crtscts":     "file:/dev/ttyS0,speed=9600,flow=rtscts",
		"-,rawer,escape=0x0f":                     "stdio,raw,escape=^O",
		"STDIN,raw,echo=0":                        "fd:0,raw,echo=0",
		"UNIX-RECVFROM:/x,perm=0600":              "unix-dgram-listen:/x,mode=0600",
		"GOPEN:/x":                                "file:/x,create,append",
		"CREATE:/x":                               "file:/x,create,trunc,wronly",
		"OPEN:/x,o-append,o-creat,nonblock":       "file:/x,append,create",
		"STDIN":                                   "fd:0",
	} {
		t.Run(text, func(t *testing.T) {
			a, err := address.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			if a.String() != want {
				t.Errorf("Parse(%q) prints %q; want %q", text, a, want)
			}
			roundTrip(t, a)
		})
	}
}
