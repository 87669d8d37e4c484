// Registration with the kubelet, without a sidecar: a socket in the kubelet's registry directory
// that says where the CSI socket is. One well-known name; whoever comes later takes it, and the
// older instance yields for good, so two instances never fight over it.

import { backoffMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { CodedError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { Registration as RegistrationService } from '../../transport/gen/kubelet/plugin_registration_pb.ts';
import { createGrpcClient } from '../../transport/grpc/grpc-client.ts';
import { bindService } from '../../transport/rpc.ts';
import { PluginSocket } from './plugin-socket.ts';

export type RegistrationOptions = {
  readonly driverName: string;
  /** Host path of the CSI socket, as the kubelet sees it. */
  readonly csiEndpoint: string;
  /** `<kubelet>/plugins_registry`. */
  readonly registryDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
};

const LOOK_EVERY_MS = 3000;
const ASK_TIMEOUT_MS = 1000;
const RETRY = { initialMs: 3000, maxMs: 30_000 } as const;
/** A kubelet that refuses for this long will not take us: the process ends and starts anew. */
const GIVE_UP_MS = 5 * 60_000;

export type RegistrationState = 'waiting' | 'registered' | 'refused' | 'yielded';

export class Registration {
  readonly #options: RegistrationOptions;
  #socket: PluginSocket | undefined;
  #state: RegistrationState = 'waiting';
  #hasYielded = false;
  #refusedSince: number | undefined;
  #retries = 0;
  #retryAt = 0;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  get state(): RegistrationState {
    return this.#hasYielded ? 'yielded' : this.#state;
  }

  /** Leaves the name to a newer instance, for good. */
  yield(): void {
    this.#hasYielded = true;
  }

  /** Shows the kubelet where we are: it calls back at once. */
  async listen(): Promise<void> {
    this.#socket = await PluginSocket.listen({
      path: this.#path,
      services: [this.#service()],
    });
  }

  /**
   * Stays registered until aborted, as long as `isCurrent` says that the CSI socket is ours. Throws when the kubelet refuses for too long. An instance that
   * yielded stays as well: if it ended, it would be started again, and take the name back.
   */
  async run(isCurrent: () => boolean, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, signal);
      const socket = this.#socket;
      if (signal.aborted || socket === undefined) return;
      if (this.#hasYielded) continue;
      const holder = socket.holder();
      if (holder === 'foreign') {
        await this.#meet(socket, isCurrent);
      } else if (holder === 'none') {
        await socket.bindAgain();
      } else if (this.#state === 'refused' && clock.now() >= this.#retryAt) {
        // The kubelet looks again when the name appears anew.
        await this.#retry(socket);
      }
    }
  }

  /**
   * Two instances that start at once may each get one of the names: the registration goes with the
   * CSI socket. To anybody who answers for another CSI socket it is left.
   */
  async #meet(socket: PluginSocket, isCurrent: () => boolean): Promise<void> {
    const { csiEndpoint, log } = this.#options;
    const endpoint = await this.#foreignEndpoint();
    if (isCurrent() && (endpoint === csiEndpoint || endpoint === undefined)) {
      await socket.takeBack();
      return;
    }
    this.#hasYielded = true;
    log.warn({ reason: 'NewerInstance' }, 'Yielded the registration to another instance');
  }

  async #foreignEndpoint(): Promise<string | undefined> {
    const client = createGrpcClient(RegistrationService, { target: `unix:${this.#path}` });
    try {
      return (await client.getInfo({}, { timeoutMs: ASK_TIMEOUT_MS })).endpoint;
    } catch {
      return undefined;
    } finally {
      client.close();
    }
  }

  get #path(): string {
    const { driverName, registryDirectory } = this.#options;
    return `${registryDirectory}/${driverName}-reg.sock`;
  }

  /** Deregisters, unless another instance holds the name. */
  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    await socket?.close();
  }

  async #retry(socket: PluginSocket): Promise<void> {
    const now = this.#options.clock.now();
    if (now - (this.#refusedSince ?? 0) > GIVE_UP_MS) {
      throw new CodedError('failed-precondition', 'the kubelet refused the registration');
    }
    this.#retryAt = now + backoffMs(this.#retries, RETRY);
    this.#retries += 1;
    socket.hide();
    await socket.bindAgain();
  }

  #service() {
    const { driverName, csiEndpoint, clock, log } = this.#options;
    return bindService(RegistrationService, {
      getInfo: async () => ({
        type: 'CSIPlugin',
        name: driverName,
        endpoint: csiEndpoint,
        supportedVersions: ['1.0.0'],
      }),
      notifyRegistrationStatus: async (status) => {
        if (status.pluginRegistered) {
          this.#state = 'registered';
          this.#refusedSince = undefined;
          this.#retries = 0;
          this.#retryAt = 0;
          log.info({}, 'Registered with the kubelet');
        } else {
          this.#state = 'refused';
          this.#refusedSince ??= clock.now();
          log.error({ message: status.error }, 'Failed to register with the kubelet');
        }
        return {};
      },
    });
  }
}
