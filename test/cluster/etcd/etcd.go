// etcd, built from its module by the ordinary Go client: the Debian package is too old for the API
// server's streaming lists.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
