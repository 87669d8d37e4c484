// IAM Roles Anywhere on loopback, as far as CreateSession goes: it takes a request only when its
// signature, made again from what arrived, is that of a certificate under its trust anchor.

import { createHash, verify, X509Certificate } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Session = {
  readonly userAgent: string;
  readonly serialNumber: string;
  readonly uri: string;
  readonly chainLength: number;
  readonly parameters: Readonly<Record<string, unknown>>;
};

const REGION = 'eu-central-1';
const AUTHORIZATION =
  /^(AWS4-X509-(?:ECDSA|RSA)-SHA256) Credential=([0-9]+)\/([0-9]{8})\/([a-z0-9-]+)\/rolesanywhere\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]+)$/;
const MUST_BE_SIGNED = ['content-type', 'host', 'x-amz-date', 'x-amz-x509'];
const MAX_SKEW_MS = 5 * 60_000;

export class RolesAnywhere {
  readonly sessions: Session[] = [];
  readonly refusals: string[] = [];
  /** How long the credentials live. */
  lifeMs = 900_000;
  /** In place of a session. */
  answer: { readonly status: number; readonly body: string } | undefined;
  readonly #anchor: X509Certificate;
  readonly #server: Server;

  constructor(anchor: Uint8Array) {
    this.#anchor = new X509Certificate(anchor);
    this.#server = createServer((request, response) => {
      void (async () => {
        const parts: Buffer[] = [];
        for await (const part of request) parts.push(part as Buffer);
        const { status, body } = this.answer ?? this.#create(request, Buffer.concat(parts));
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(body);
      })();
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #create(request: IncomingMessage, payload: Buffer): { status: number; body: string } {
    try {
      this.sessions.push(this.#verified(request, payload));
    } catch (thrown) {
      const message = (thrown as Error).message;
      this.refusals.push(message);
      return { status: 403, body: JSON.stringify({ message }) };
    }
    const credentials = {
      accessKeyId: `ASIA${this.sessions.length}`,
      secretAccessKey: 'secret/key',
      sessionToken: 'token==',
      expiration: new Date(Date.now() + this.lifeMs).toISOString(),
    };
    const subjectArn = `arn:aws:rolesanywhere:${REGION}:1:subject/1`;
    return { status: 201, body: JSON.stringify({ credentialSet: [{ credentials }], subjectArn }) };
  }

  #verified(request: IncomingMessage, payload: Buffer): Session {
    const header = (name: string) => String(request.headers[name] ?? '');
    const found = AUTHORIZATION.exec(header('authorization'));
    if (found === null) throw new Error('authorization is not in its form');
    const [, algorithm = '', serial = '', day = '', region = '', list = '', signature = ''] = found;
    const names = list.split(';');
    const chainNames = header('x-amz-x509-chain') === '' ? [] : ['x-amz-x509-chain'];
    for (const name of [...MUST_BE_SIGNED, ...chainNames]) {
      if (!names.includes(name)) throw new Error(`${name} is not signed`);
    }
    const date = header('x-amz-date');
    const [, y, m, d, h, min, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? [];
    const at = Date.parse(`${y}-${m}-${d}T${h}:${min}:${s}Z`);
    if (!(Math.abs(Date.now() - at) < MAX_SKEW_MS)) throw new Error('signature expired');
    if (!date.startsWith(day) || region !== REGION) throw new Error('scope is another one');
    const leaf = new X509Certificate(Buffer.from(header('x-amz-x509'), 'base64'));
    if (BigInt(`0x${leaf.serialNumber}`) !== BigInt(serial))
      throw new Error('serial number differs');
    const chain = header('x-amz-x509-chain').split(',').filter(Boolean);
    const above = chain.map((text) => new X509Certificate(Buffer.from(text, 'base64')));
    [leaf, ...above].forEach((certificate, index) => {
      const issuer = above[index] ?? this.#anchor;
      if (!certificate.verify(issuer.publicKey)) throw new Error('Untrusted certificate');
    });
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://unused.invalid');
    searchParams.sort();
    const canonical = [
      request.method,
      pathname,
      searchParams.toString().replaceAll('+', '%20'),
      ...names.toSorted().map((name) => `${name}:${header(name).trim()}`),
      '',
      names.join(';'),
      sha256(payload),
    ].join('\n');
    const scope = `${day}/${region}/rolesanywhere/aws4_request`;
    const text = Buffer.from([algorithm, date, scope, sha256(Buffer.from(canonical))].join('\n'));
    const isOfKind = algorithm.includes('RSA') === (leaf.publicKey.asymmetricKeyType === 'rsa');
    if (!isOfKind || !verify('sha256', text, leaf.publicKey, Buffer.from(signature, 'hex'))) {
      throw new Error('The request signature we calculated does not match the one provided');
    }
    return {
      userAgent: header('user-agent'),
      serialNumber: leaf.serialNumber,
      uri: leaf.subjectAltName ?? '',
      chainLength: above.length,
      parameters: {
        ...Object.fromEntries(searchParams),
        ...(JSON.parse(payload.toString()) as object),
      },
    };
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
