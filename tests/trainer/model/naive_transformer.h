// The model once more, straight from the equations, in double, one sequence and one token at a
// time, with ATen's own operators and autograd: the oracle of the model's tests.
#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "trainer/model/transformer.h"

namespace deduce {

class NaiveTransformer {
 public:
  // Takes over the weights of a model that holds all experts, as double leaves under logical names.
  explicit NaiveTransformer(Transformer& model) : config_(model.config()) {
    for (const Parameter& parameter : model.parameters()) {
      const bool stack = parameter.placement == Placement::kExpertSharded;
      for (size_t i = 0; i < parameter.names.size(); ++i) {
        const at::Tensor value = stack ? parameter.value[static_cast<int64_t>(i)] : parameter.value;
        weights_[parameter.names[i]] = value.detach().clone().to(at::kDouble).requires_grad_(true);
      }
    }
    for (const auto& buffer : model.buffers()) {
      weights_[buffer.name] = buffer.value.clone().to(at::kDouble);
    }
  }

  const at::Tensor& weight(const std::string& name) const { return weights_.at(name); }

  ForwardResult Forward(const PackedBatch& batch) {
    balance_ = at::scalar_tensor(0, at::kDouble);
    std::vector<at::Tensor> hidden, mtp;
    for (size_t s = 0; s + 1 < batch.sequence_starts.size(); ++s) {
      const int64_t begin = batch.sequence_starts[s];
      const int64_t length = batch.sequence_starts[s + 1] - begin;
      const at::Tensor embedding = weight("model.embed_tokens.weight");
      at::Tensor x = embedding.index_select(0, batch.tokens_x.narrow(0, begin, length));
      for (int64_t l = 0; l < config_.num_hidden_layers(); ++l) x = Layer(l, x);
      hidden.push_back(Norm(x, "model.norm.weight"));
      if (config_.num_nextn_predict_layers() == 0) continue;
      const std::string p = "model.layers." + std::to_string(config_.num_hidden_layers()) + ".";
      const at::Tensor next = embedding.index_select(0, batch.targets_x.narrow(0, begin, length));
      const at::Tensor both =
          at::cat({Norm(next, p + "enorm.weight"), Norm(x, p + "hnorm.weight")}, 1);
      mtp.push_back(Norm(Layer(config_.num_hidden_layers(), Project(both, p + "eh_proj")),
                         p + "shared_head.norm.weight"));
    }
    ForwardResult result;
    result.hidden_xd = at::cat(hidden);
    if (!mtp.empty()) result.mtp_hidden_xd = at::cat(mtp);
    if (config_.has_moe()) result.balance_losses = {balance_};  // of all layers
    return result;
  }

 private:
  at::Tensor Project(const at::Tensor& x, const std::string& name) {
    const at::Tensor product = x.matmul(weight(name + ".weight").t());
    const auto bias = weights_.find(name + ".bias");
    return bias == weights_.end() ? product : product + bias->second;
  }

  // The norm of one head, where the model has one.
  at::Tensor HeadNorm(const at::Tensor& x, const std::string& name) {
    return config_.qk_norm() ? Norm(x, name) : x;
  }

  at::Tensor Norm(const at::Tensor& x, const std::string& name) {
    return x / (x.square().mean(-1, true) + config_.rms_norm_eps()).sqrt() * weight(name);
  }

  at::Tensor Layer(int64_t layer, const at::Tensor& x) {
    const std::string p = "model.layers." + std::to_string(layer) + ".";
    const at::Tensor normed = Norm(x, p + "input_layernorm.weight");
    const at::Tensor y =
        x + (config_.attention() == ModelConfig::MLA ? Mla(normed, p + "self_attn.")
                                                     : Gqa(normed, p + "self_attn."));
    const at::Tensor z = Norm(y, p + "post_attention_layernorm.weight");
    const bool routed = config_.has_moe() && layer >= config_.moe().first_k_dense_replace();
    return y + (routed ? Routed(z, p + "mlp.") : Dense(z, p + "mlp."));
  }

  // x [t, dim]: pairs (first[i], second[i]) turned by position times frequency.
  at::Tensor Rotate(const at::Tensor& x, bool interleaved) {
    const int64_t half = x.size(1) / 2;
    std::vector<at::Tensor> first, second;
    for (int64_t i = 0; i < half; ++i) {
      const double frequency = Frequency(i, x.size(1));
      std::vector<double> angles;
      for (int64_t t = 0; t < x.size(0); ++t) angles.push_back(static_cast<double>(t) * frequency);
      const at::Tensor angle = at::tensor(angles, at::kDouble);
      const at::Tensor a = x.select(1, interleaved ? 2 * i : i);
      const at::Tensor b = x.select(1, interleaved ? 2 * i + 1 : i + half);
      const double scale =
          Mscale(config_.rope().yarn().mscale()) / Mscale(config_.rope().yarn().mscale_all_dim());
      first.push_back((a * angle.cos() - b * angle.sin()) * scale);
      second.push_back((a * angle.sin() + b * angle.cos()) * scale);
    }
    first.insert(first.end(), second.begin(), second.end());
    return at::stack(first, 1);
  }

  double Mscale(double mscale) const {
    if (!config_.rope().has_yarn()) return 1;
    return 0.1 * mscale * std::log(config_.rope().yarn().factor()) + 1;
  }

  // YaRN: dimensions that turn more than beta_fast times keep their frequency, those that turn less
  // than beta_slow times are stretched by the factor, with a linear ramp over whole dimensions.
  double Frequency(int64_t i, int64_t dim) const {
    double base = std::pow(config_.rope().theta(), -2.0 * i / dim);
    if (config_.rope().has_llama3()) base = Llama3Frequency(base);
    if (!config_.rope().has_yarn()) return base;
    const YarnConfig& yarn = config_.rope().yarn();
    const auto index_of_turns = [&](double turns) {
      return dim / (2 * std::log(config_.rope().theta())) *
             std::log(yarn.original_max_position_embeddings() / (2 * std::numbers::pi * turns));
    };
    const double low = std::max(0.0, std::floor(index_of_turns(yarn.beta_fast())));
    const double high = std::min(dim - 1.0, std::ceil(index_of_turns(yarn.beta_slow())));
    const double ramp = std::clamp((i - low) / (high == low ? 0.001 : high - low), 0.0, 1.0);
    return base * (1 - ramp) + base / yarn.factor() * ramp;
  }

  // Llama 3.1, by wave length: short ones stay, long ones are stretched, between is a mean of both.
  double Llama3Frequency(double base) const {
    const Llama3RopeConfig& llama3 = config_.rope().llama3();
    const double length = 2 * std::numbers::pi / base;
    const double original = static_cast<double>(llama3.original_max_position_embeddings());
    if (length < original / llama3.high_freq_factor()) return base;
    if (length > original / llama3.low_freq_factor()) return base / llama3.factor();
    const double smooth = (original / length - llama3.low_freq_factor()) /
                          (llama3.high_freq_factor() - llama3.low_freq_factor());
    return (1 - smooth) * base / llama3.factor() + smooth * base;
  }

  // One head: q, k [t, k], v [t, v].
  static at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              double scale) {
    const at::Tensor future = at::ones({q.size(0), q.size(0)}, at::kBool).triu(1);
    return (q.matmul(k.t()) * scale).masked_fill(future, -INFINITY).softmax(-1).matmul(v);
  }

  at::Tensor Gqa(const at::Tensor& x, const std::string& p) {
    const int64_t heads = config_.num_attention_heads();
    const int64_t kv_heads = config_.num_key_value_heads();
    const int64_t dim = config_.head_dim();
    const at::Tensor q = Project(x, p + "q_proj");
    const at::Tensor k = Project(x, p + "k_proj");
    const at::Tensor v = Project(x, p + "v_proj");
    std::vector<at::Tensor> out;
    for (int64_t h = 0; h < heads; ++h) {
      const int64_t g = h / (heads / kv_heads);
      const at::Tensor q_h = HeadNorm(q.narrow(1, h * dim, dim), p + "q_norm.weight");
      const at::Tensor k_g = HeadNorm(k.narrow(1, g * dim, dim), p + "k_norm.weight");
      out.push_back(Attention(Rotate(q_h, false), Rotate(k_g, false), v.narrow(1, g * dim, dim),
                              std::pow(dim, -0.5)));
    }
    return Project(at::cat(out, 1), p + "o_proj");
  }

  at::Tensor Mla(const at::Tensor& x, const std::string& p) {
    const int64_t nope = config_.qk_nope_head_dim();
    const int64_t rope = config_.qk_rope_head_dim();
    const int64_t value = config_.v_head_dim();
    const int64_t rank = config_.kv_lora_rank();
    const at::Tensor q =
        config_.q_lora_rank() > 0
            ? Project(Norm(Project(x, p + "q_a_proj"), p + "q_a_layernorm.weight"), p + "q_b_proj")
            : Project(x, p + "q_proj");
    const at::Tensor compressed = Project(x, p + "kv_a_proj_with_mqa");
    const at::Tensor kv =
        Project(Norm(compressed.narrow(1, 0, rank), p + "kv_a_layernorm.weight"), p + "kv_b_proj");
    const at::Tensor k_rope = Rotate(compressed.narrow(1, rank, rope), true);
    const double mscale = Mscale(config_.rope().yarn().mscale_all_dim());
    std::vector<at::Tensor> out;
    for (int64_t h = 0; h < config_.num_attention_heads(); ++h) {
      const at::Tensor q_h = q.narrow(1, h * (nope + rope), nope + rope);
      const at::Tensor kv_h = kv.narrow(1, h * (nope + value), nope + value);
      out.push_back(
          Attention(at::cat({q_h.narrow(1, 0, nope), Rotate(q_h.narrow(1, nope, rope), true)}, 1),
                    at::cat({kv_h.narrow(1, 0, nope), k_rope}, 1), kv_h.narrow(1, nope, value),
                    std::pow(nope + rope, -0.5) * mscale * mscale));
    }
    return Project(at::cat(out, 1), p + "o_proj");
  }

  at::Tensor Dense(const at::Tensor& x, const std::string& p) {
    const at::Tensor gate = Project(x, p + "gate_proj");
    return Project(gate * gate.sigmoid() * Project(x, p + "up_proj"), p + "down_proj");
  }

  // Experts of one token by (biased) affinity, within the groups of the best scores.
  std::vector<int64_t> Choose(const at::Tensor& score) const {
    const MoeConfig& moe = config_.moe();
    const int64_t width = moe.n_routed_experts() / moe.n_group();
    std::vector<std::pair<double, int64_t>> groups, experts;
    for (int64_t g = 0; g < moe.n_group(); ++g) {
      const int64_t counted = moe.topk_method() == MoeConfig::noaux_tc ? 2 : 1;
      const auto best =
          std::get<0>(score.narrow(0, g * width, width).topk(std::min(counted, width)));
      groups.emplace_back(-best.sum().item<double>(), g);
    }
    std::sort(groups.begin(), groups.end());
    for (int64_t g = 0; g < moe.topk_group(); ++g) {
      for (int64_t e = groups[g].second * width; e < (groups[g].second + 1) * width; ++e) {
        experts.emplace_back(-score[e].item<double>(), e);
      }
    }
    std::sort(experts.begin(), experts.end());
    std::vector<int64_t> chosen;
    for (int64_t k = 0; k < moe.num_experts_per_tok(); ++k) chosen.push_back(experts[k].second);
    return chosen;
  }

  at::Tensor Routed(const at::Tensor& x, const std::string& p) {
    const MoeConfig& moe = config_.moe();
    const at::Tensor logits = Project(x, p + "gate");
    const bool softmax = moe.scoring_func() == MoeConfig::softmax;
    const at::Tensor affinity = softmax ? logits.softmax(-1) : logits.sigmoid();
    const auto bias = weights_.find(p + "gate.e_score_correction_bias");
    at::Tensor count = at::zeros({moe.n_routed_experts()}, at::kDouble);
    std::vector<at::Tensor> rows;
    for (int64_t t = 0; t < x.size(0); ++t) {
      const std::vector<int64_t> chosen =
          Choose((bias == weights_.end() ? affinity[t] : affinity[t] + bias->second).detach());
      at::Tensor row = at::zeros({1, x.size(1)}, at::kDouble);
      const at::Tensor total = affinity[t].index_select(0, at::tensor(chosen)).sum();
      for (const int64_t e : chosen) {
        count[e] += 1;
        const at::Tensor gate = affinity[t][e] / (moe.norm_topk_prob() ? total : total / total);
        row = row + gate * moe.routed_scaling_factor() *
                        Dense(x.narrow(0, t, 1), p + "experts." + std::to_string(e) + ".");
      }
      rows.push_back(row);
    }
    const double length = static_cast<double>(x.size(0));
    const at::Tensor f = count * (moe.n_routed_experts() / (moe.num_experts_per_tok() * length));
    balance_ = balance_ + (f * (affinity / affinity.sum(1, true)).mean(0)).sum();
    const at::Tensor routed = at::cat(rows);
    return moe.n_shared_experts() > 0 ? routed + Dense(x, p + "shared_experts.") : routed;
  }

  ModelConfig config_;
  std::map<std::string, at::Tensor> weights_;
  at::Tensor balance_;
};

}  // namespace deduce
