// Executes templates with Go's text/template over the real Kubernetes API types. A JSON line in,
// {"template": …, "data": …}, gives a JSON line out: {"out": base64} or {"error": …, "at": …}.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"text/template"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type request struct {
	Template string
	Data     struct {
		TrustDomain   string
		ClusterName   string
		ClusterDomain string
		Pod           *struct {
			Metadata metav1.ObjectMeta
			Spec     corev1.PodSpec
		}
		Node *struct {
			Metadata metav1.ObjectMeta
			Spec     corev1.NodeSpec
		}
	}
}

type response struct {
	Out   []byte `json:"out"`
	Error string `json:"error,omitempty"`
	At    string `json:"at,omitempty"`
}

type templateData struct {
	TrustDomain   string
	ClusterName   string
	ClusterDomain string
	PodMeta       *metav1.ObjectMeta
	PodSpec       *corev1.PodSpec
	NodeMeta      *metav1.ObjectMeta
	NodeSpec      *corev1.NodeSpec
}

const maxOutput = 1 << 20

var errTooLong = errors.New("the output is too long")

// limited stops a template that would write for ever.
type limited struct{ bytes.Buffer }

func (w *limited) Write(p []byte) (int, error) {
	if w.Len()+len(p) > maxOutput {
		return 0, errTooLong
	}
	return w.Buffer.Write(p)
}

func main() {
	log.SetFlags(0)
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for {
		var r request
		if err := in.Decode(&r); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			log.Fatal(err)
		}
		if err := encoder.Encode(answer(&r)); err != nil {
			log.Fatal(err)
		}
	}
}

func answer(r *request) (response response) {
	defer func() {
		if p := recover(); p != nil {
			response.Out, response.Error, response.At = nil, fmt.Sprint(p), "render"
		}
	}()
	parsed, err := template.New("t").Parse(r.Template)
	if err != nil {
		response.Error, response.At = err.Error(), "parse"
		return
	}
	data := &templateData{
		TrustDomain:   r.Data.TrustDomain,
		ClusterName:   r.Data.ClusterName,
		ClusterDomain: r.Data.ClusterDomain,
	}
	if pod := r.Data.Pod; pod != nil {
		data.PodMeta, data.PodSpec = &pod.Metadata, &pod.Spec
	}
	if node := r.Data.Node; node != nil {
		data.NodeMeta, data.NodeSpec = &node.Metadata, &node.Spec
	}
	w := &limited{}
	if err := parsed.Execute(w, data); err != nil {
		response.Error, response.At = err.Error(), "render"
		return
	}
	response.Out = w.Bytes()
	return
}
