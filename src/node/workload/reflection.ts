// Server reflection (Workload Endpoint §6), in both versions that tools ask for: the services of
// this socket, and the files that define them.

import { type DescFile, type DescService, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { ServerReflection } from '../../transport/gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../transport/gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { type Admit, bindService, type ServiceBinding } from '../../transport/rpc.ts';

/** gRPC status codes, which this protocol has inside its messages. */
const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;

/** A request of either version. */
type Question = {
  readonly host: string;
  readonly messageRequest:
    | { readonly case: undefined }
    | { readonly case: 'fileContainingExtension'; readonly value: unknown }
    | {
        readonly case:
          | 'fileByFilename'
          | 'fileContainingSymbol'
          | 'allExtensionNumbersOfType'
          | 'listServices';
        readonly value: string;
      };
};

/** Both versions, telling of `services` and of themselves. */
export function reflectionServices(
  services: readonly DescService[],
  admit: Admit,
): readonly ServiceBinding[] {
  let made: DefinitionIndex | undefined;
  // Made when it is first asked for: most pods never do.
  const answer = (question: Question) => {
    made ??= new DefinitionIndex([...services, ServerReflection, ServerReflectionAlpha]);
    return made.answer(question);
  };
  return [
    bindService(
      ServerReflection,
      {
        serverReflectionInfo: async function* (requests) {
          for await (const request of requests) {
            yield { ...answer(request), originalRequest: request };
          }
        },
      },
      admit,
    ),
    bindService(
      ServerReflectionAlpha,
      {
        serverReflectionInfo: async function* (requests) {
          for await (const request of requests) {
            yield { ...answer(request), originalRequest: request };
          }
        },
      },
      admit,
    ),
  ];
}

class DefinitionIndex {
  readonly #services: readonly string[];
  readonly #byName = new Map<string, DescFile>();
  readonly #bySymbol = new Map<string, DescFile>();
  readonly #messages = new Set<string>();

  constructor(services: readonly DescService[]) {
    this.#services = services.map(({ typeName }) => typeName).toSorted();
    for (const { file } of services) for (const needed of withDependencies(file)) this.#add(needed);
  }

  answer({ host, messageRequest: asked }: Question) {
    return { validHost: host, messageResponse: this.#response(asked) };
  }

  #response(asked: Question['messageRequest']) {
    switch (asked.case) {
      case 'listServices': {
        const service = this.#services.map((name) => ({ name }));
        return { case: 'listServicesResponse', value: { service } } as const;
      }
      case 'fileByFilename':
        return definition(this.#byName.get(asked.value));
      case 'fileContainingSymbol':
        return definition(this.#bySymbol.get(asked.value));
      case 'allExtensionNumbersOfType':
        // Nothing here is extended.
        return this.#messages.has(asked.value)
          ? ({ case: 'allExtensionNumbersResponse', value: { baseTypeName: asked.value } } as const)
          : refused(NOT_FOUND, 'no such type');
      case 'fileContainingExtension':
        return refused(NOT_FOUND, 'no such extension');
      case undefined:
        return refused(INVALID_ARGUMENT, 'message_request: must be set');
    }
  }

  #add(file: DescFile): void {
    if (this.#byName.has(file.proto.name)) return;
    this.#byName.set(file.proto.name, file);
    for (const service of file.services) {
      this.#bySymbol.set(service.typeName, file);
      for (const { name } of service.methods) {
        this.#bySymbol.set(`${service.typeName}.${name}`, file);
      }
    }
    const types = [...file.messages];
    for (const { typeName } of file.enums) this.#bySymbol.set(typeName, file);
    for (let type = types.pop(); type !== undefined; type = types.pop()) {
      this.#bySymbol.set(type.typeName, file);
      this.#messages.add(type.typeName);
      for (const { typeName } of type.nestedEnums) this.#bySymbol.set(typeName, file);
      types.push(...type.nestedMessages);
    }
  }
}

/** The file with all it needs, so that nobody has to ask again. */
function definition(file: DescFile | undefined) {
  if (file === undefined) return refused(NOT_FOUND, 'no such definition');
  const fileDescriptorProto = [...withDependencies(file)].map(({ proto }) =>
    toBinary(FileDescriptorProtoSchema, proto),
  );
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } } as const;
}

function withDependencies(file: DescFile, found = new Set<DescFile>()): ReadonlySet<DescFile> {
  found.add(file);
  for (const needed of file.dependencies) if (!found.has(needed)) withDependencies(needed, found);
  return found;
}

function refused(errorCode: number, errorMessage: string) {
  return { case: 'errorResponse', value: { errorCode, errorMessage } } as const;
}
