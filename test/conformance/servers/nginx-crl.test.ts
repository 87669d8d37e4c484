// The example for nginx, run by Debian's nginx: a certificate that comes on the lists is refused after the
// reload, and what it had open ends; others go on.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:https';
import { after, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { formatPemCertificate } from '../../../src/spiffe/pem.ts';
import { TestCa, type TestSvid } from '../../fakes/test-ca.ts';
import { serialOf } from '../../fakes/test-crl.ts';
import { freePort } from '../npm/postgres-server.ts';
import { ServedFiles, skipWithout } from './served-files.ts';

const LIMIT_MS = 15_000;

const root = new TestCa('example.org');
const intermediate = root.intermediate();
const files = new ServedFiles({ root, intermediate }, intermediate.svid('/nginx'));
const skip = skipWithout('nginx');
after(async () => await files.stop());

const good = intermediate.svid('/good');
const bad = intermediate.svid('/bad');

function tlsOf({ chain, privateKey }: TestSvid) {
  return {
    cert: chain.map(formatPemCertificate).join(''),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ca: formatPemCertificate(root.certificate),
    checkServerIdentity: () => undefined,
  };
}

async function ask(port: number, svid: TestSvid): Promise<string> {
  return await new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, agent: false, ...tlsOf(svid) }, (response) => {
      let text = `${response.statusCode} `;
      response.on('data', (part) => (text += String(part)));
      response.once('end', () => resolve(text));
    });
    request.once('error', reject);
  });
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const limit = Date.now() + LIMIT_MS; !(await holds()); ) {
    if (Date.now() > limit) assert.fail(`waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** One that has had an answer, and is kept. */
async function connection(port: number, svid: TestSvid): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ...tlsOf(svid) });
  socket.on('error', () => {});
  await new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve).once('error', reject);
  });
  socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await once(socket, 'data');
  socket.resume();
  return socket;
}

test('a certificate that comes on the lists is refused, and its connection ended', {
  skip,
}, async () => {
  const port = await freePort();
  files.write([]);
  const example = files.writeExample('nginx-crl', (text) =>
    text
      .replaceAll(' /tmp/', ` ${files.root}/`)
      .replaceAll(' /spiffe-files/', ` ${files.directory}/`)
      .replace('8443', String(port)),
  );
  const running = files.start([`${example}/run.sh`], { NGINX_CONF: `${example}/nginx.conf` });
  let said = '';
  running.stderr?.on('data', (part) => (said += String(part)));
  const isUp = async () => (await ask(port, good).catch(() => '')) !== '';
  await until('nginx', isUp).catch(() => assert.fail(said));
  const hello = (svid: TestSvid) => `200 hello ${serialOf(svid.chain).toUpperCase()}\n`;
  assert.equal(await ask(port, good), hello(good));
  assert.equal(await ask(port, bad), hello(bad));
  const stranger = new TestCa('example.org').intermediate().svid('/good');
  assert.match(await ask(port, stranger), /^400 .*SSL certificate error/s);
  const open = [await connection(port, bad), await connection(port, bad)];
  open[1]?.write('GET / HTTP/1.1\r\nhost:');
  files.write([bad]);
  // A worker of before may still take one while it ends, so the first refusal is what is looked at.
  let answer = '';
  await until('the reload', async () => {
    answer = await ask(port, bad);
    return answer.startsWith('400 ');
  });
  assert.match(answer, /SSL certificate error/);
  assert.equal(await ask(port, good), hello(good));
  const areEnded = () => open.every(({ destroyed }) => destroyed);
  await until('the end of what was open', async () => await Promise.resolve(areEnded()));
  files.write([]);
  await until('a hold that was lifted', async () => (await ask(port, bad)) === hello(bad));
});
