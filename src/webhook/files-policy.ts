// What `inject-files` decides, in CEL for the policies that inject without a webhook. Members that are
// there only sometimes are optional ones.

import { DEFAULT_FILES_VOLUME, FILES, FILES_VOLUME, FS_GROUP } from '../base/file-attributes.ts';
import type { JsonObject } from '../template/json-value.ts';
import { celExists, celHasKey, celString } from './cel.ts';
import type { InjectionTable } from './injection-table.ts';

const ANNOTATIONS = 'object.metadata.annotations';
const GROUP = 'object.spec.securityContext.fsGroup';

/** Each may use those before it; they follow `volumeName` and `authorsVolumes`. */
export function filesVariables({ files }: InjectionTable): readonly JsonObject[] {
  const asked = `${celHasKey(ANNOTATIONS, FILES)} && ${ANNOTATIONS}[${celString(FILES)}] == "true"`;
  const attributes = files.annotations.map((name) => {
    const has = `${celHasKey(ANNOTATIONS, name)} && ${ANNOTATIONS}[${celString(name)}] != ""`;
    return optionalEntry(name, has, `string(${ANNOTATIONS}[${celString(name)}])`);
  });
  const hasGroup = `has(object.spec.securityContext) && has(${GROUP}) && ${GROUP} > 0`;
  return [
    {
      name: 'existing',
      expression:
        'has(object.spec.volumes) ? object.spec.volumes.filter(x, x.name == variables.volumeName && has(x.csi) && has(x.csi.volumeAttributes)).map(x, x.csi.volumeAttributes) : []',
    },
    {
      name: 'hasFiles',
      expression: `variables.authorsVolumes.size() == 0 ? (${asked}) : variables.existing.exists(x, x[?${celString(FILES)}].orValue("") == "true")`,
    },
    {
      name: 'filesVolume',
      expression: `variables.existing.size() == 0 ? ${celString(DEFAULT_FILES_VOLUME)} : variables.existing[0][?${celString(FILES_VOLUME)}].orValue(${celString(DEFAULT_FILES_VOLUME)})`,
    },
    {
      name: 'needsFilesVolume',
      expression: `variables.hasFiles && !${celExists('object.spec.volumes', 'x.name == variables.filesVolume')}`,
    },
    {
      name: 'attributes',
      expression: `{${[...attributes, optionalEntry(FS_GROUP, hasGroup, `string(${GROUP})`)].join(', ')}}`,
    },
  ];
}

/** A member of the volume that is added. */
export const VOLUME_ATTRIBUTES =
  '?volumeAttributes: variables.hasFiles ? optional.of(variables.attributes) : optional.none()';

function optionalEntry(key: string, condition: string, value: string): string {
  return `?${celString(key)}: ${condition} ? optional.of(${value}) : optional.none()`;
}
