// Package proxy is what the layers that go on through a proxy, or are one, have in
// common: where to go, who may ask, what may be reached, and the connection whose
// peer has asked.
package proxy
