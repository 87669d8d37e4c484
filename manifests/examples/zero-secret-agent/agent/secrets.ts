// A login to OpenBao or Vault by the certificate of the connection, and one by a JWT-SVID, which needs
// no TLS up to the server itself.

import { tlsFetch, vaultLogin } from '@signet/client';
import { backend, certificates, tokens } from './identity.ts';

const ADDRESS = 'https://openbao.backends.svc:8200';
const fetch = tlsFetch({ source: certificates, authorize: backend('openbao') });
const login = vaultLogin({
  source: tokens,
  address: ADDRESS,
  role: 'researcher',
  audience: 'https://openbao.backends.svc',
  fetch,
});

export async function readByToken(path: string): Promise<Record<string, string>> {
  return await read(path, (await login()).token);
}

export async function readByCertificate(path: string): Promise<Record<string, string>> {
  const body = JSON.stringify({ name: 'researcher' });
  const answer = await fetch(`${ADDRESS}/v1/auth/cert/login`, { method: 'POST', body });
  const { auth, errors } = (await answer.json()) as {
    auth?: { client_token: string };
    errors?: string[];
  };
  if (auth === undefined) throw new Error(`OpenBao: ${String(errors)}`);
  return await read(path, auth.client_token);
}

async function read(path: string, token: string): Promise<Record<string, string>> {
  const answer = await fetch(`${ADDRESS}/v1/${path}`, { headers: { 'x-vault-token': token } });
  if (!answer.ok) throw new Error(`OpenBao: ${answer.status}`);
  return ((await answer.json()) as { data: Record<string, string> }).data;
}
