// Package rpc owns the control plane's machinery: the table of methods with the scopes
// that they need, the form of what they take and answer, the sessions of connected
// clients with their bounded queues, and the fan-out of events. It knows no method and no
// handshake.
//
// What a method takes and answers is said once, by Go types with `rule` tags, see rules.
// A shape is made of each type: by it requests are validated, and the JSON Schema (see
// Schemas) and the reference (see MethodDoc) are written.
//
// Clients share the processors evenly, however much each asks for. The goroutine that
// reads a client's requests also carries them out, one after the other, so that a client
// has one goroutine that may run and not one for each request that it has sent; and it
// steps back whenever it has read as much as it has room for, see stride. Methods that may
// wait for somebody, see Mux.Waits, get a goroutine for each call, and their answers may
// come after those to later requests. What is refused is refused by the goroutine that reads.
//
// What clients make the gateway hold is bounded. One client may send messages up to a
// length that the head of each frame is held against (Intake), and have maxInFlight requests
// under way that wait; it is not read from while more than maxUnread waits to be written to
// it, and is closed when more than protocol.MaxBufferedBytes does. Of all clients, maxLarge
// large messages come in at a time (large); and when all together make the gateway hold more
// than maxHeld, the one that does so the most is closed (Hub.relieve).
package rpc
