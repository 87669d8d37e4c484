// The official SDK of the Claude API, as anybody uses it: no key, no option. It reads variables and a
// rotating token file that come with the pod's annotations.

import Anthropic from '@anthropic-ai/sdk';

const claude = new Anthropic();

export async function think(question: string): Promise<string> {
  const { content } = await claude.messages.create({
    model: 'claude-sonnet-5',
    max_tokens: 256,
    messages: [{ role: 'user', content: question }],
  });
  return content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n');
}
