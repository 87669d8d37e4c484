// What a source file imports, by its text: static, dynamic and type-only imports, and re-exports. An
// import that cannot be read off the text is reported too, because no rule could judge it.

export type SourceImports = {
  /** As written: `./file.ts`, `node:fs`, `yaml`. */
  readonly specifiers: readonly string[];
  /** `import(…)` of something that is no literal, and `require`. */
  readonly unreadable: readonly string[];
};

const BLOCK_COMMENT = /\/\*[\s\S]*?\*\//g;
const LINE_COMMENT = /^\s*\/\/.*$/gm;
const WITH_BINDINGS = /^(?:import|export)\b[^;'"`]*?\bfrom\s*(['"])(.+?)\1/gm;
const BARE = /^import\s*(['"])(.+?)\1/gm;
const LITERAL_CALL = /\bimport\s*\(\s*(['"])([^'"]+)\1\s*[,)]/g;
const ANY_CALL = /\bimport\s*\(\s*(?!['"])|\brequire\s*\(|\bcreateRequire\b/g;

export function sourceImports(source: string): SourceImports {
  const code = source.replace(BLOCK_COMMENT, '').replace(LINE_COMMENT, '');
  const specifiers = [WITH_BINDINGS, BARE, LITERAL_CALL].flatMap((form) =>
    [...code.matchAll(form)].map((match) => match[2] ?? ''),
  );
  return { specifiers, unreadable: [...code.matchAll(ANY_CALL)].map(([text]) => text) };
}
