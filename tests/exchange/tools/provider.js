module.exports = class {
  constructor(options) { this.options = options || {}; }
  id() { return "fake:" + ((this.options.config || {}).name || "model"); }
  async callApi(prompt) {
    if (prompt.includes("fail")) return { error: "the provider broke" };
    return { output: "answer to " + prompt, tokenUsage: { total: 15, prompt: 10, completion: 5 }, cost: 0.0002, cached: prompt.includes("known") };
  }
};
