package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"time"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"
)

// caller speaks the frames of one unary call and little else, so that the server is what is measured:
// a whole gRPC client costs more than either server.
type caller struct {
	framer   *http2.Framer
	out      *bufio.Writer
	header   []byte
	body     []byte
	next     uint32
	started  map[uint32]time.Time
	received int
}

const window = 1 << 28

func newCaller(socket string) *caller {
	conn, err := net.Dial("unix", socket)
	check(err)
	out := bufio.NewWriterSize(conn, 64<<10)
	_, err = out.WriteString(http2.ClientPreface)
	check(err)
	c := &caller{out: out, next: 1, started: map[uint32]time.Time{}}
	c.framer = http2.NewFramer(out, bufio.NewReaderSize(conn, 256<<10))
	c.framer.SetReuseFrames()
	check(c.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}))
	check(c.framer.WriteWindowUpdate(0, window))
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	// Blocks that mean the same each time.
	encoder.SetMaxDynamicTableSize(0)
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "http"}, {":path", "/SpiffeWorkloadAPI/FetchJWTSVID"},
		{":authority", "localhost"}, {"content-type", "application/grpc"},
		{"user-agent", "bench"}, {"te", "trailers"}, {"workload.spiffe.io", "true"},
	} {
		check(encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	c.header = block.Bytes()
	message, err := proto.Marshal(&workload.JWTSVIDRequest{Audience: []string{"bench"}})
	check(err)
	c.body = append([]byte{0, 0, 0, 0, byte(len(message))}, message...)
	return c
}

func (c *caller) call() {
	c.started[c.next] = time.Now()
	check(c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: c.next, BlockFragment: c.header, EndHeaders: true}))
	check(c.framer.WriteData(c.next, true, c.body))
	c.next += 2
}

// answered reads until one call has ended well, and says how long it took.
func (c *caller) answered() time.Duration {
	for {
		if c.framer.ErrorDetail() == nil && c.out.Buffered() > 0 {
			check(c.out.Flush())
		}
		frame, err := c.framer.ReadFrame()
		check(err)
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				check(c.framer.WriteSettingsAck())
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				check(c.framer.WritePing(true, frame.Data))
			}
		case *http2.DataFrame:
			if c.received += len(frame.Data()); c.received > window/2 {
				check(c.framer.WriteWindowUpdate(0, uint32(c.received)))
				c.received = 0
			}
		case *http2.HeadersFrame:
			if !frame.StreamEnded() {
				continue
			}
			began, found := c.started[frame.StreamID]
			// Trailers of a call that went well are a few bytes; a status alone has a message.
			if !found || len(frame.HeaderBlockFragment()) > 32 {
				check(fmt.Errorf("stream %d failed", frame.StreamID))
			}
			delete(c.started, frame.StreamID)
			return time.Since(began)
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			check(fmt.Errorf("refused: %v", frame))
		}
	}
}

// rawCalls keeps so many calls in flight on one connection.
func rawCalls(socket string, atOnce int, seconds float64) ([]time.Duration, float64) {
	c := newCaller(socket)
	c.call()
	c.answered()
	start := time.Now()
	end := start.Add(time.Duration(seconds * float64(time.Second)))
	for range atOnce {
		c.call()
	}
	var latencies []time.Duration
	for len(c.started) > 0 {
		latencies = append(latencies, c.answered())
		if time.Now().Before(end) {
			c.call()
		}
	}
	return latencies, time.Since(start).Seconds()
}
