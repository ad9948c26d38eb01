// The device that the other tests of this program run on: what it must catch.
#include "tests/testing/simulated_device.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "kernels/rms_norm.h"
#include "tests/testing/same_bits.h"

namespace deduce {
namespace {

// Says at the end of the program what was asked of the device.
class Report : public ::testing::Environment {
 public:
  void TearDown() override {
    int64_t calls = 0;
    for (const auto& [name, times] : SimulatedCalls()) calls += times;
    const HostReads reads = SimulatedHostReads();
    std::printf(
        "simulated device: %zu operators fell back to the CPU in %ld calls; %ld tensors and "
        "%ld numbers read by the host\n",
        SimulatedCalls().size(), static_cast<long>(calls), static_cast<long>(reads.tensors),
        static_cast<long>(reads.numbers));
  }
};
const ::testing::Environment* const report = ::testing::AddGlobalTestEnvironment(new Report);

at::Tensor Numbers() { return at::arange(6, at::kFloat).view({2, 3}); }

TEST(SimulatedDeviceTest, ComputesWithTheCpusBits) {
  const at::Tensor x = Numbers().to(SimulatedDevice());
  EXPECT_EQ(x.device(), SimulatedDevice());
  EXPECT_TRUE(SameBits((x.t() * 2 + 1).exp().cpu(), (Numbers().t() * 2 + 1).exp()));
  EXPECT_EQ(x[1][2].item<float>(), 5);
}

TEST(SimulatedDeviceTest, GradientsAreOnTheDevice) {
  const at::Tensor x = Numbers().to(SimulatedDevice()).requires_grad_(true);
  (x * x).sum().backward();
  EXPECT_EQ(x.grad().device(), SimulatedDevice());
  EXPECT_TRUE(SameBits(x.grad().cpu(), Numbers() * 2));
}

TEST(SimulatedDeviceTest, TensorsOfHostAndDeviceDoNotMix) {
  const at::Tensor x = Numbers().to(SimulatedDevice());
  EXPECT_THROW(x + Numbers(), c10::Error);
  EXPECT_THROW(RmsNorm(x, at::zeros({3}, at::kFloat), 1e-5), c10::Error);
}

TEST(SimulatedDeviceTest, CountsWhatTheHostReads) {
  const at::Tensor x = Numbers().to(SimulatedDevice());
  const HostReads before = SimulatedHostReads();
  const at::Tensor y = (x * 2).sum(1);
  EXPECT_EQ(SimulatedHostReads().numbers, before.numbers);
  EXPECT_EQ(SimulatedHostReads().tensors, before.tensors);
  y[0].item<float>();
  y.cpu();
  EXPECT_EQ(SimulatedHostReads().numbers, before.numbers + 1);
  EXPECT_EQ(SimulatedHostReads().tensors, before.tensors + 1);
}

// A planted access by address, as a kernel of the CPU's would make it.
TEST(SimulatedDeviceDeathTest, HostAccessEndsTheProgram) {
  const at::Tensor x = Numbers().to(SimulatedDevice());
  EXPECT_DEATH(
      {
        volatile const float* data = x.const_data_ptr<float>();
        [[maybe_unused]] const float number = data[0];
      },
      "");
}

}  // namespace
}  // namespace deduce
