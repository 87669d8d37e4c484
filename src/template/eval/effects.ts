// What a statement may do to what comes after it, by its text alone: which variables it sets, and
// whether it may leave the range around it. Provenance needs it for branches that are not taken.

import type { Operand, Pipe, Statement } from '../parse/ast.ts';

/** Names of the variables that `=` sets anywhere in the statements. */
export function assignedNames(statements: readonly Statement[]): ReadonlySet<string> {
  return new Set(statements.flatMap(statementNames));
}

/** True when a break or continue in the statements ends an iteration around them. */
export function mayJump(statements: readonly Statement[]): boolean {
  return statements.some((statement) => {
    switch (statement.kind) {
      case 'break':
      case 'continue':
        return true;
      case 'if':
      case 'with':
        return (
          statement.branches.some((branch) => mayJump(branch.body)) || mayJump(statement.otherwise)
        );
      case 'range':
        return mayJump(statement.otherwise);
      case 'text':
      case 'action':
      case 'template':
        return false;
    }
  });
}

function statementNames(statement: Statement): readonly string[] {
  switch (statement.kind) {
    case 'if':
    case 'with':
      return [
        ...statement.branches.flatMap((branch) => [
          ...pipeNames(branch.pipe),
          ...branch.body.flatMap(statementNames),
        ]),
        ...statement.otherwise.flatMap(statementNames),
      ];
    case 'range':
      return [
        ...pipeNames(statement.pipe),
        ...[...statement.body, ...statement.otherwise].flatMap(statementNames),
      ];
    case 'action':
      return pipeNames(statement.pipe);
    case 'template':
      return statement.pipe === undefined ? [] : pipeNames(statement.pipe);
    case 'text':
    case 'break':
    case 'continue':
      return [];
  }
}

function pipeNames(pipe: Pipe): readonly string[] {
  const inner = pipe.commands.flatMap((command) => command.words.flatMap(operandNames));
  return pipe.assigns ? [...pipe.variables, ...inner] : inner;
}

function operandNames(operand: Operand): readonly string[] {
  if (operand.kind === 'pipe') return pipeNames(operand.pipe);
  return operand.kind === 'chain' ? operandNames(operand.of) : [];
}
