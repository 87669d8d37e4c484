// One HTTPS request as a verifier makes it, trusting what it is told to trust and nothing else.

import { request } from 'node:https';

export type HttpsGet = {
  readonly port: number;
  readonly path: string;
  /** PEM. */
  readonly ca: string;
  /** Whom the certificate must name; default: localhost. */
  readonly name?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export type HttpsAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: string;
};

export async function httpsGet(get: HttpsGet): Promise<HttpsAnswer> {
  const { port, path, ca, name = 'localhost', method = 'GET' } = get;
  const headers = { host: name, ...get.headers };
  return await new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, servername: name, path, method, ca, agent: false, headers },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const body = Buffer.concat(chunks).toString('utf8');
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end();
  });
}
