"""A generator and a discriminator, trained against each other step by step."""

from collections.abc import Mapping

import keras
import tensorflow as tf

from kfer import losses
from kfer.augmentation import differentiable
from kfer.losses import adversarial
from kfer.models import dcgan
from kfer.settings.generation import AdversarialSettings, DcganSettings
from kfer.training.averaging import Average

FIGURES = (
    "discriminator_loss",
    "generator_loss",
    "real_accuracy",
    "fake_accuracy",
    "generator_gradient",
)
CLASS_FIGURES = ("class_loss", "fake_class_loss")
_BETA_2 = 0.999


class ConditionalDcgan(keras.Model):
    """Both networks as one Keras model, whose `fit` trains them against each other.

    A step shows the discriminator as many real images as generated ones of the same classes, and changes
    it; then it judges the same generated images again, and the generator changes. Goodfellow et al. 2014,
    algorithm 1, with one step of each.

    Its batches are of images, float32 `[n, size, size, channels]` in [0, 255], and a dict of labels with
    each condition, int32 `[n]`, -1 where missing.

    Args:
        network: The settings of both networks.
        training: How they are trained.
        image_size: Height and width of the images in pixels.
        channels: 1 for grey, 3 for RGB.
        num_classes: Of each condition.
        steps: Of the whole training, for the schedule of the rates.

    Attributes:
        generator: As `kfer.models.dcgan.generator` builds it, in training.
        discriminator: Likewise.
        average: The same generator, with the moving average of its weights; what draws.
    """

    def __init__(
        self,
        network: DcganSettings,
        training: AdversarialSettings,
        image_size: int,
        channels: int,
        num_classes: Mapping[str, int],
        steps: int,
    ) -> None:
        super().__init__(name="dcgan")
        keras.utils.set_random_seed(training.seed)
        shape = (image_size, channels, num_classes)
        policy = training.mixed_precision
        self.generator = dcgan.generator(network, *shape, policy)
        self.discriminator = dcgan.discriminator(network, *shape, policy)
        self.average = keras.models.clone_model(self.generator)
        self.average.set_weights(self.generator.get_weights())
        self.average.trainable = False
        self._network, self._training, self._num_classes = network, training, dict(num_classes)
        self._averaging = Average(self.average, self.generator, training.average)
        names = FIGURES + (CLASS_FIGURES if network.auxiliary else ())
        self._means = {name: keras.metrics.Mean(name=name) for name in names}
        self._steps = self.add_weight(shape=(), dtype="int64", initializer="zeros", trainable=False)
        self._generator_optimizer = _optimizer(training, training.generator_learning_rate, steps)
        self._discriminator_optimizer = _optimizer(training, training.discriminator_learning_rate, steps)
        self._generator_optimizer.build(self.generator.trainable_variables)
        self._discriminator_optimizer.build(self.discriminator.trainable_variables)
        self.compile(optimizer=None)  # each network has its own

    def state(self) -> dict[str, list[keras.Variable]]:
        """All that a training goes on from, by its part."""
        return {
            "steps": [self._steps],
            "generator": self.generator.variables,
            "average": self.average.variables,
            "discriminator": self.discriminator.variables,
            "optimizer_of_generator": self._generator_optimizer.variables,
            "optimizer_of_discriminator": self._discriminator_optimizer.variables,
        }

    def train_step(self, batch: tuple[tf.Tensor, Mapping[str, tf.Tensor]]) -> dict[str, tf.Tensor]:
        """Changes both networks once.

        Args:
            batch: See the class.

        Returns:
            Float32 scalars, means over the epoch so far: "discriminator_loss" and "generator_loss",
            what `kfer.losses.adversarial` says; "real_accuracy" and "fake_accuracy", the share of each
            whose score is on its side of 0; "generator_gradient", the length of the generator's gradient;
            where the discriminator says classes, "class_loss" and "fake_class_loss" of real and
            generated images.
        """
        images, labels = batch
        real = tf.cast(images, tf.float32) / 127.5 - 1.0
        labels = {name: labels[name] for name in self._network.conditions}
        # A label of -1 is a row of 0, which tells nothing.
        told = {name: tf.one_hot(label, self._num_classes[name]) for name, label in labels.items()}
        seeds = tf.random.experimental.stateless_split(
            tf.stack([self._training.seed, tf.cast(self._steps.value, tf.int32)]), 5
        )
        noise = tf.random.stateless_normal([tf.shape(real)[0], self._network.noise_size], seeds[0])
        if self._training.mirror:
            turned = tf.random.stateless_uniform([tf.shape(real)[0], 1, 1, 1], seeds[1]) < 0.5
            real = tf.where(turned, tf.reverse(real, [2]), real)
        with tf.GradientTape() as drawing:
            fake = self.generator({dcgan.NOISE: noise, **told}, training=True)
        figures = self._teach_discriminator(real, fake, labels, told, seeds)
        with tf.GradientTape() as judging:
            judging.watch(fake)
            says = self._judge(fake, told, seeds[4])
            loss = adversarial.generator(says[dcgan.SCORE], self._training.loss)
            class_loss = _class_loss(says, labels)
            total = loss + self._training.auxiliary_weight * class_loss
        gradients = drawing.gradient(
            fake, self.generator.trainable_variables, output_gradients=judging.gradient(total, fake)
        )
        self._generator_optimizer.apply(gradients, self.generator.trainable_variables)
        self._steps.assign_add(1)
        if self._training.average:
            self._averaging.update(self._steps.value)
        figures |= {"generator_loss": loss, "generator_gradient": tf.linalg.global_norm(gradients)}
        if self._network.auxiliary:
            figures["fake_class_loss"] = class_loss
        for name, value in figures.items():
            self._means[name].update_state(value)
        return {name: mean.result() for name, mean in self._means.items()}

    def drawing_generator(self) -> keras.Model:
        """The generator that draws: the average, where there is one."""
        return self.average if self._training.average else self.generator

    def _teach_discriminator(
        self,
        real: tf.Tensor,
        fake: tf.Tensor,
        labels: Mapping[str, tf.Tensor],
        told: Mapping[str, tf.Tensor],
        seeds: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        settings = self._training
        fake = tf.stop_gradient(fake)
        with tf.GradientTape() as tape:
            of_real = self._judge(real, told, seeds[2])
            of_fake = self._judge(fake, told, seeds[3])
            scores = of_real[dcgan.SCORE], of_fake[dcgan.SCORE]
            loss = adversarial.discriminator(*scores, settings.loss, settings.label_smoothing)
            class_loss = _class_loss(of_real, labels)
            total = loss + settings.auxiliary_weight * class_loss
            if settings.r1:
                total += tf.cond(
                    tf.equal(self._steps.value % settings.r1_interval, 0),
                    lambda: settings.r1 * settings.r1_interval * self._penalty(real, told, seeds[2]),
                    lambda: 0.0,
                )
        gradients = tape.gradient(total, self.discriminator.trainable_variables)
        self._discriminator_optimizer.apply(gradients, self.discriminator.trainable_variables)
        figures = {
            "discriminator_loss": loss,
            "real_accuracy": tf.reduce_mean(tf.cast(scores[0] > 0, tf.float32)),
            "fake_accuracy": tf.reduce_mean(tf.cast(scores[1] < 0, tf.float32)),
        }
        return figures | ({"class_loss": class_loss} if self._network.auxiliary else {})

    def _judge(
        self, images: tf.Tensor, told: Mapping[str, tf.Tensor], seed: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        images = differentiable.augment(images, self._training.augmentation, seed)
        return self.discriminator({dcgan.IMAGES: images, **told}, training=True)

    def _penalty(self, real: tf.Tensor, told: Mapping[str, tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(real)
            score = self._judge(real, told, seed)[dcgan.SCORE]
        return adversarial.gradient_penalty(tape.gradient(score, real))


def _class_loss(says: Mapping[str, tf.Tensor], labels: Mapping[str, tf.Tensor]) -> tf.Tensor:
    named = [losses.cross_entropy(label, says[name]) for name, label in labels.items() if name in says]
    return tf.add_n(named) if named else tf.constant(0.0)


def _optimizer(settings: AdversarialSettings, rate: float, steps: int) -> keras.optimizers.Optimizer:
    chosen: float | keras.optimizers.schedules.LearningRateSchedule = rate
    if settings.schedule == "linear":
        chosen = _SecondHalf(rate, steps)
    return keras.optimizers.Adam(chosen, beta_1=settings.beta_1, beta_2=_BETA_2)


class _SecondHalf(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that stays as it is for half of the steps, and then falls to 0 in a line."""

    def __init__(self, rate: float, steps: int) -> None:
        self._rate, self._steps = rate, steps

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        left = 2.0 * (1.0 - keras.ops.cast(step, "float32") / self._steps)
        return self._rate * keras.ops.clip(left, 0.0, 1.0)
