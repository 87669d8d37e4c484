// Channel credentials for grpc-js: each connection of a channel is made with the SVID of that moment,
// to a peer that the authorizer accepts.

import { CallCredentials, ChannelCredentials } from '@grpc/grpc-js';
import type { PeerCheck } from './peer-identity.ts';
import { connectTls } from './tls-client.ts';

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>;

/**
 * For a channel of the same copy of @grpc/grpc-js as ours. Where an application has another one, it
 * gives that one's `ChannelCredentials`: a channel knows credentials by their class.
 */
export function grpcCredentials(
  check: PeerCheck,
  Base: abstract new () => ChannelCredentials = ChannelCredentials,
): ChannelCredentials {
  class SpiffeChannelCredentials extends Base {
    _isSecure(): boolean {
      return true;
    }

    /** Channels of two authorizers share no connection. */
    _equals(other: ChannelCredentials): boolean {
      return this === other;
    }

    _createSecureConnector(
      _target: unknown,
      _options: unknown,
      callCredentials: CallCredentials = CallCredentials.createEmpty(),
    ): Connector {
      return {
        connect: async (socket) => ({
          socket: await connectTls({ ...check, to: { socket }, protocol: 'h2' }),
          secure: true,
        }),
        waitForReady: async () => await Promise.resolve(),
        getCallCredentials: () => callCredentials,
        destroy: () => {},
      };
    }
  }
  return new SpiffeChannelCredentials();
}
